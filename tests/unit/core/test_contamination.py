"""Imported weights may have seen the test subjects: where that is said, and whose list takes the mark away."""

from pathlib import Path

import pandas as pd
import pytest

from ldae.cohort.splits import make_splits
from ldae.config import Splits
from ldae.core.contamination import Known, contamination, contamination_of, known_subjects, training_subjects
from ldae.core.errors import UserError
from ldae.core.files import read_tsv, write_json, write_tsv
from ldae.studies.common.figure_style import house_style, new_figure, save_figure
from ldae.studies.common.paper_tables import write_table

STAGES = ("autoencoder", "diffusion", "representation")
NAMES = [f"sub-ADNI002S{number:04d}" for number in range(40)]


def models(folder: Path, *imported: str) -> Path:
    for stage in STAGES:
        write_json(folder / stage / "model.json", {"digest": stage} | ({"imported": {}} if stage in imported else {}))
    return folder


def listed(folder: Path, text: str) -> Path:
    (folder / "seen.txt").write_text(text)
    return folder / "seen.txt"


def test_a_list_is_read_as_people_write_it(tmp_path):
    wanted = {"sub-ADNI002S0295", "sub-ADNI011S10056"}
    for text in (
        "002_S_0295\n011_S_10056\n",
        "\ufeffPTID\n2_s_295\n\n011_S_10056\n",
        "participant_id\tsplit\nsub-ADNI002S0295\ttrain\nsub-ADNI011S10056\ttrain\n",
        '"Subject ID","Sex"\n"002_S_0295","F"\n"011_S_10056","M"\n',
        "participant_id\tsplit\tstratum\nsub-ADNI002S0295\ttrain\tCN\nsub-ADNI001S0001\ttest\tCN\n"
        "sub-ADNI011S10056\tvalidation\tAD\n",  # splits.tsv of the run that trained
    ):
        assert training_subjects(listed(tmp_path, text), "adni") == wanted
    assert training_subjects(listed(tmp_path, "sub-01\n"), "bids") == {"sub-01"}
    assert training_subjects(None, "adni") == frozenset()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "names no subject"),
        ("PTID\n\n", "names no subject"),
        ("002_S_0295\n295\n", "line 2 of .* is '295', which is neither"),
        ("sub-002S0295\n", "line 1 of .* is 'sub-002S0295'"),  # of no subject of ADNI: it would clear the model
    ],
)
def test_a_list_that_would_clear_a_model_by_mistake_is_refused(tmp_path, text, said):
    with pytest.raises(UserError, match=said):
        training_subjects(listed(tmp_path, text), "adni")


def test_a_list_that_cannot_be_read_is_refused(tmp_path):
    with pytest.raises(UserError, match=r"training_subjects: .*none\.txt does not exist"):
        training_subjects(tmp_path / "none.txt", "adni")
    (tmp_path / "seen.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UserError, match="is no text"):
        training_subjects(tmp_path / "seen.txt", "adni")


def test_numbers_of_imported_weights_on_adni_are_contaminated_until_the_list_says_otherwise(tmp_path):
    own, theirs = models(tmp_path / "own"), models(tmp_path / "theirs", "diffusion", "representation")
    assert contamination(own, "adni", NAMES[:5], []) is None
    said = contamination(theirs, "adni", NAMES[:5], [])
    assert said.startswith(
        "The imported weights (diffusion, representation) may have been trained on the test subjects"
    )
    assert contamination(theirs, "bids", ["sub-01", "sub-02"], []) is None
    assert contamination(theirs, "bids", NAMES[:5], []) == said  # ADNI's subjects, however they came here
    assert contamination(theirs, "adni", NAMES[:5], NAMES[5:]) is None
    assert "were trained on 2 of the test subjects" in contamination(theirs, "adni", NAMES[:5], NAMES[3:])
    assert "were trained on 1 of the test subjects" in contamination(theirs, "bids", NAMES[:5], NAMES[4:])


def frozen(folder: Path, source="adni", phantom=False, exported=False, seed=None) -> Path:
    """A model folder as far as contamination looks at it; of a run, three test subjects and the others seen."""
    write_json(folder / ("config.json" if exported else "model/config.json"), {"source": source, "phantom": phantom})
    if not exported:
        (folder / "train").mkdir()
        splits = pd.DataFrame({"participant_id": NAMES, "split": ["test"] * 3 + ["train"] * 30 + ["validation"] * 7})
        write_tsv(folder / "manifest/splits.tsv", splits)
    if seed is not None:
        write_json(folder / "raw/phantom.json", {"seed": seed})
    return folder


def test_a_frozen_model_of_a_run_says_whom_it_has_seen(tmp_path):
    own, known = models(tmp_path / "own"), known_subjects(frozen(tmp_path / "run"), None)
    assert contamination(own, "adni", NAMES[:3], [], known) is None
    said = contamination(own, "adni", NAMES[:5], [], known)
    assert said == "The model was trained on 2 of the 5 subjects of this cohort."
    assert contamination(own, "bids", NAMES[:5], [], known) == said
    assert known_subjects(tmp_path / "run/model", None) == known
    assert "on 1 of the 3" in contamination(own, "adni", NAMES[:3], NAMES[2:3], known)  # the user knows of one more


def test_an_exported_model_names_nobody_and_the_users_list_does(tmp_path):
    own, known = models(tmp_path / "own"), known_subjects(frozen(tmp_path / "model", exported=True), None)
    assert known.subjects is None
    assert contamination(own, "adni", NAMES[:5], [], known).startswith(
        "The model may have been trained on the subjects"
    )
    assert contamination(own, "bids", NAMES[:5], [], known) == contamination(own, "adni", NAMES[:5], [], known)
    assert contamination(own, "bids", ["sub-01"], [], known) is None
    assert contamination(own, "adni", NAMES[:5], NAMES[5:], known) is None
    assert contamination(own, "adni", NAMES[:5], NAMES[4:], known) == (
        "The model was trained on 1 of the 5 subjects of this cohort."
    )
    other = known_subjects(frozen(tmp_path / "other", source="bids", exported=True), None)
    assert other == Known(None) and contamination(own, "adni", NAMES[:5], [], other) is None
    theirs = models(tmp_path / "theirs", *STAGES)
    assert "The imported weights" in contamination(theirs, "adni", NAMES[:5], [], other)


def test_synthetic_subjects_are_the_same_only_with_the_same_seed(tmp_path):
    run = frozen(tmp_path / "run", phantom=True, seed=42)
    assert known_subjects(run, 7).subjects == frozenset()
    assert known_subjects(run, 42).subjects == frozenset(NAMES[3:])
    assert known_subjects(run, None).subjects == frozenset()  # people
    assert known_subjects(frozen(tmp_path / "people"), 42).subjects == frozenset()


def scans() -> pd.DataFrame:
    diagnoses = ["CN", "AD"] * 20
    return pd.DataFrame({"participant_id": NAMES, "months": 0.0, "diagnosis": diagnoses, "status": "included"})


def split_of(splits: pd.DataFrame) -> dict[str, str]:
    return splits.set_index("participant_id")["split"].to_dict()


@pytest.mark.parametrize("protocol", ["stratified", "paper"])
def test_subjects_that_the_weights_were_trained_on_are_never_tested_on(protocol):
    settings = Splits(protocol=protocol, test_fraction=0.3, min_test_subjects_per_class=1)
    plain = make_splits(scans(), settings, 1)
    seen = [name for name, split in split_of(plain).items() if split == "test"][:4] + NAMES[:10]
    fresh, later = make_splits(scans(), settings, 1, None, seen), make_splits(scans(), settings, 1, plain, seen)
    for splits in (fresh, later):
        assert not {name for name, split in split_of(splits).items() if split == "test"} & set(seen)
    for name, split in split_of(later).items():  # nobody else moves, but for the test that is filled up again
        before = split_of(plain)[name]
        assert split == before or (name in seen and (before, split) == ("test", "train"))


def test_a_list_of_everybody_leaves_no_test_and_says_so():
    with pytest.raises(UserError, match=r"40 subjects cannot be tested on, since imported\.training_subjects"):
        make_splits(scans(), Splits(), 1, None, NAMES)


@pytest.fixture
def results(tmp_path):
    write_json(tmp_path / "evaluate" / "contamination.json", {"contaminated": "Because."})
    (tmp_path / "paper" / "tables").mkdir(parents=True)
    return tmp_path


def test_every_table_of_the_networks_carries_the_mark(results):
    table, stem = pd.DataFrame({"method": ["ldae"], "auc": [0.9]}), results / "paper/tables/probes"
    write_table(table, stem)
    assert read_tsv(f"{stem}.tsv")["mark"].tolist() == ["contaminated"]
    assert Path(f"{stem}.md").read_text().endswith("\nContaminated. Because.\n")
    assert "contaminated" in Path(f"{stem}.tex").read_text()
    write_table(table, stem, on_test_scans=False)
    assert list(read_tsv(f"{stem}.tsv")) == ["method", "auc"]
    assert contamination_of(results / "elsewhere" / "tables" / "probes") is None


@house_style()
def drawn(stem: Path, **more) -> tuple[bytes, bytes]:
    figure = new_figure(60, 40)
    figure.subplots().plot([0, 1], [0, 1])
    save_figure(figure, stem, pd.DataFrame({"x": [1]}), **more)
    return Path(f"{stem}.svg").read_bytes(), Path(f"{stem}.png").read_bytes()


def test_every_figure_of_the_networks_carries_the_mark(results, tmp_path):
    plain = drawn(tmp_path / "plain")
    marked, left = drawn(results / "paper/tables/f"), drawn(results / "paper/tables/g", on_test_scans=False)
    assert left == plain and marked[0] != plain[0] and marked[1] != plain[1]
    assert read_tsv(results / "paper/tables/f.tsv")["mark"].tolist() == ["contaminated"]
