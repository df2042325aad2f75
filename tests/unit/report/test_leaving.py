"""What must not leave is found however it is written, and numbers that happen to be ids stop nothing."""

import ast
import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from planted_leaks import FEWEST, KNOWN, LEAKS, cohorts
from public_bundle import FIGURE, IMAGE, SVG, inside, spelled, write_bundle
from safetensors.numpy import save as safetensors

from ldae.core.errors import UserError
from ldae.core.files import read_tsv, write_tsv
from ldae.report.export_model import KINDS
from ldae.report.identifiers import Names, identifier
from ldae.report.leaving import check_leaving
from ldae.report.leaving_drawings import fault_of_drawing
from ldae.report.public import check_public
from ldae.report.public_tables import fault_of_tables
from ldae.report.ro_crate import CONFIGURATION, configuration_text, repeatable

SOURCE = Path(__file__).parents[3] / "src/ldae/studies"


@pytest.fixture(scope="module")
def clean(tmp_path_factory):
    folder = tmp_path_factory.mktemp("clean") / "public"
    write_bundle(folder)
    return folder


@pytest.fixture
def bundle(clean, tmp_path):
    return shutil.copytree(clean, tmp_path / "public")


@pytest.mark.parametrize("leak", LEAKS.values(), ids=LEAKS)
def test_every_leak_is_found(bundle, leak):
    leak(bundle)
    with pytest.raises(UserError, match=r"must not leave|may leave"):
        check_public(bundle, KNOWN, fewest=FEWEST)


def test_a_configuration_may_list_as_many_numbers_as_its_user_wants(tmp_path, config):
    fractions, alphas = [0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.7, 1.0], [float(dose) for dose in range(1, 12)]
    content = repeatable(config)
    content["evaluation"] |= {"label_fractions": fractions, "alphas": alphas}
    content["diffusion"]["multipliers"] = [1, 2, 3, 4, 5]
    (tmp_path / CONFIGURATION).write_text(configuration_text(content))
    check_public(tmp_path, KNOWN)
    (tmp_path / CONFIGURATION).write_text(
        configuration_text(content | {"audit": {"allow": {"twins": "71 80 66 " * 6}}})
    )
    with pytest.raises(UserError, match="a list of numbers"):
        check_public(tmp_path, KNOWN)


@pytest.mark.parametrize(
    ("before", "words"),
    [
        ("<svg", '<!DOCTYPE svg PUBLIC "-//OAS30001//" "x">'),
        ("</svg>", '<g xmlns:q="https://x.org/OAS30001"/>'),
        ("</svg>", "<?note OAS30001?>"),
        ("</svg>", '<q:OAS30001 xmlns:q="http://purl.org/dc/elements/1.1/"/>'),
        ("</svg>", '<g OAS30001="1"/>'),
    ],
)
def test_a_drawing_hides_no_name_in_what_is_not_drawn(before, words):
    drawing = '<svg xmlns="http://www.w3.org/2000/svg"><g id="axes_1"></g></svg>'
    names = Names.of(["sub-OAS30001"])
    assert fault_of_drawing(drawing, names) is None
    assert fault_of_drawing(drawing.replace(before, words + before), names)


def test_words_beside_each_other_in_a_drawing_are_no_name(bundle):
    """Ticks and the words of a legend follow each other as they like."""
    words = "".join(spelled(word, comment=word) for word in ("CN", "120", "2009", "0312", "I", "2345"))
    inside(SVG, "</svg>", words)(bundle)
    drawing = (bundle / SVG).read_text()
    assert fault_of_drawing(drawing, Names.of(["sub-CN120", "12345"])) is None
    assert fault_of_drawing(drawing.replace(words, spelled("CN120", comment="CN120")), Names.of(["sub-CN120"]))


def test_a_clean_bundle_of_any_cohort_is_no_leak(clean):
    """`make leaks` draws more of them."""
    for names in cohorts(5):
        check_public(clean, names, fewest=FEWEST)


def test_numbers_equal_to_ids_stop_nothing_and_ids_called_so_do():
    names = Names.of(["115200", "12345"])
    assert identifier("115200 steps, 12,345 values, 0.115200, [12345, 115200]", names) is None
    assert "image 12345" in identifier("image 12345", names)
    assert identifier("image 12346", names) is None


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("sub-CN120", "| CN | 120 | 300 |"),
        ("sub-CN120", "<tr><td>CN</td><td>120</td></tr>"),
        ("sub-AD141", "AD\t141\t387"),
        ("sub-N1000", "n = 1000"),
        ("sub-x", "fsspec 2024.10.1"),
        ("sub-x", "took 120 s, 1000 steps; 100 s 10000"),
        ("sub-x", "nvidia-cublas 12.8.4.1, torch 2.10.0, doi:10.1016/j.neuroimage.2009.03.012, section 1.2.3.4"),
        ("sub-x", "seed: 20240312, 20,090,312 parameters, 20091312, 0.20090312, 3 may 2, 12 markers 10"),
        ("sub-x", "ldae_test, x_T_std, ssim -- mse, https://adni.loni.usc.edu/data/x, a_b__c"),
        ("sub-4821", "4821 steps, id, case of 4821.5, in 4821 s"),
        ("sub-x", "at 12/24/36 months, months 06/12/18; I2009 of 2009, Mar. 2011, {March 2011}, Sep 2019"),
        ("sub-x", "version 2024.03.12, certifi 2024.08.30, tzdata==2024.10.11, step 20120131, 20120131 steps"),
        ("1000", "images 1,000 and scans: 1,000"),
    ],
)
def test_cells_counts_versions_and_seconds_are_no_names(name, text):
    assert identifier(text, Names.of([name])) is None


@pytest.mark.parametrize(
    "text",
    [
        "seen 12/24/36",
        "scanned 2009.03.12",
        "visit 03/12/09",
        "scanned in Mar 2011",
        "I20091",
        "20120131 and",
        "image 1,000",
    ],
)
def test_what_looks_like_a_count_or_a_version_and_is_called_otherwise_is_found(text):
    assert identifier(text, Names.of(["1000"]))


def test_a_step_is_no_date_and_a_day_in_another_column_is(bundle):
    write_tsv(table := bundle / f"figures/{FIGURE}.tsv", read_tsv(table).assign(steps=range(20120125, 20120132)))
    check_public(bundle, KNOWN)
    write_tsv(table, read_tsv(table).assign(high=20120131))
    with pytest.raises(UserError, match=r"20120131.*a date"):
        check_public(bundle, KNOWN)


def test_names_without_digits_or_too_short_are_words():
    names = Names.of(["patient-seven", "sub-a1"])
    assert identifier("patient-eight, a1", names) is None
    assert "patient-seven" in identifier("for Patient-Seven only", names)
    assert "sub-a1" in identifier("in sub-a1", names)


def test_a_link_leaves_no_more_than_a_file(bundle):
    (bundle / "tables" / "more.tsv").symlink_to(bundle / "headline.json")
    with pytest.raises(UserError, match="neither a file nor a folder"):
        check_public(bundle, [])


def model(folder, words="", metadata=None, header=b"", extension=b"made here"):
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps({"seed": 1234567, "note": words}))
    weights = safetensors({"layer.weight": np.zeros(4, np.float32)}, metadata)
    (folder / "model.safetensors").write_bytes(weights)
    image = nib.Nifti1Image(np.zeros((4, 4, 4), np.float32), np.eye(4))
    image.header["descrip"] = header
    image.header.extensions.append(nib.nifti1.Nifti1Extension("comment", extension))
    nib.save(image, folder / "template.nii.gz")
    return folder


def test_a_model_folder_is_read_into_its_headers(tmp_path):
    check_leaving(model(tmp_path / "clean"), [IMAGE], KINDS, lambda place: True)
    for case, given in {
        "config": {"words": "of 941_S_0053"},
        "metadata": {"metadata": {"trained": "ADNI941S0053"}},
        "header": {"header": b"941_S_0053"},
        "extension": {"extension": b"941_S_0053"},
    }.items():
        with pytest.raises(UserError, match=r"names .*941.*must not leave"):
            check_leaving(model(tmp_path / case, **given), [], KINDS, lambda place: True)


def constants(tree: ast.AST) -> Iterator[str]:
    """Texts that a program holds, docstrings aside."""
    places = (ast.Module, ast.FunctionDef, ast.ClassDef)
    bodies = [node.body[0] for node in ast.walk(tree) if isinstance(node, places) and node.body]
    documented = {id(first.value) for first in bodies if isinstance(first, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in documented:
            yield node.value


def test_no_sentence_of_a_study_is_taken_for_an_identifier():
    """What a study says depends on its numbers: no run shows every sentence, and one such stops the public bundle."""
    sentences = [text for path in SOURCE.rglob("*.py") for text in constants(ast.parse(path.read_text()))]
    assert len(sentences) > 1000
    assert [text for text in sentences if identifier(text, Names.of(()))] == []


@pytest.mark.parametrize(
    ("kind", "table", "said"),
    [
        (
            "tables/cohort",
            {"diagnosis": ["CN"], "subjects": [40], "apoe": [0.3]},
            "the column 'apoe', which nobody dec",
        ),
        ("tables/probes", {"method": ["moon"], "subjects": [40], "auc_ad": ["0.8"]}, "a row about 'moon'"),
        ("tables/probes", {"method": ["ldae"], "auc_ad": ["0.8"]}, "nobody says on how many people"),
        ("tables/probes", {"method": ["ldae"], "subjects": [40], "auc_ad": ["Ada"]}, "'Ada' in the column 'auc_ad'"),
        ("tables/probes", {"method": ["ldae"], "subjects": [4], "auc_ad": ["0.8"]}, "numbers of fewer than 10 subj"),
        ("tables/probes", {"method": ["ldae", "ldae"], "subjects": [40, 40], "auc_ad": ["1", "2"]}, "several rows for"),
        ("tables/probes", {"method": ["ldae-dae"], "subjects": [40], "auc_ad": ["0.8 [0.7, 0.9] (n = 30)"]}, None),
        ("tables/arena_codes", {"code": ["mine"], "found": ["nothing"]}, None),
        ("figures/figure_solvers", {"reason": ["it was not run"]}, None),
        ("tables/counterfactual_differences", {"edit": ["nothing was compared: no scan was edited"]}, None),
        (
            "figures/figure_solvers",
            {"method": ["ldae"], "metric": ["mse"], "value": [1], "n_subjects": [4]},
            "fewer than",
        ),
    ],
)
def test_a_table_holds_what_its_study_declares(tmp_path, kind, table, said):
    write_tsv(tmp_path / f"{kind}.tsv", pd.DataFrame(table))
    found = fault_of_tables(tmp_path, ["mine"], 10, {})
    assert found is None if said is None else said in found[1]
