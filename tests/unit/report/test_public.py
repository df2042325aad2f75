"""The public bundle holds aggregates only, and an identifier anywhere in it stops the run."""

import shutil

import pandas as pd
import pytest

from ldae.core.errors import UserError
from ldae.report.public import bundle_public, check_public
from ldae.studies import registry
from ldae.studies.common.paper_tables import write_table
from ldae.studies.registry import STUDIES, public

SHOW_SCANS = {  # whatever their records say
    "figure_3_autoencoder",
    "figure_4_variation",
    "figure_5_lda",
    "figure_6_manipulation",
    "figure_7_dose_response",
    "figure_9_interpolation_examples",
    "figure_cohort",
    "figure_qc",
    "figure_reconstruction_examples",
    "figure_samples",
    "figure_samples_nearest",
}
SUBJECT, IMAGE = "sub-ADNI002S0295", "I123456"


@pytest.fixture
def paper(results, sources, tmp_path):
    folder = tmp_path / "paper"
    shutil.copytree(results / "paper/figures", folder / "figures")
    (folder / "tables").mkdir()
    write_table(pd.DataFrame({"method": ["ldae"], "subjects": [40], "auc_ad_cv": ["0.78"]}), folder / "tables/probes")
    write_table(pd.DataFrame({"participant_id": [SUBJECT]}), folder / "tables/exclusions")
    for name in ("headline.json", "MODEL_CARD.md"):
        (folder / name).write_text("{}\n")
    return folder


def bundle(tmp_path, paper, sources, config):
    out = tmp_path / "public"
    bundle_public(out, paper, sources, config, names={SUBJECT, IMAGE})
    return out


def test_only_aggregates_leave(tmp_path, paper, sources, config):
    out = bundle(tmp_path, paper, sources, config)
    figures = {path.stem for path in (out / "figures").iterdir()}
    assert figures == set(public(registry.figures(STUDIES))) and not figures & SHOW_SCANS
    assert {path.name for path in (out / "tables").iterdir()} == {"probes.tsv", "probes.md", "probes.tex"}
    page = (out / "report.html").read_text()
    assert page.count("<img") == len(figures)
    assert page.count("stays with the data") >= len(SHOW_SCANS)
    assert "truncated DICOM series" not in page


@pytest.mark.parametrize("word", [SUBJECT, "002_S_0295", IMAGE, "I987654", "sub-ADNI941S6581"])
def test_an_identifier_stops_the_bundle_and_leaves_nothing(tmp_path, paper, sources, config, word):
    (paper / "MODEL_CARD.md").write_text(f"seen in {word}, as an example")
    with pytest.raises(UserError, match=rf"MODEL_CARD\.md names .*{word.removeprefix('sub-ADNI')}"):
        bundle(tmp_path, paper, sources, config)
    assert not (tmp_path / "public").exists()


def test_a_subject_of_another_cohort_is_found_by_its_name(tmp_path):
    (tmp_path / "MODEL_CARD.md").write_text("method\tvalue\npatient-seven\t1\n")
    check_public(tmp_path, names={"patient-eight"})
    with pytest.raises(UserError, match="patient-seven"):
        check_public(tmp_path, names={"patient-seven"})


def test_a_picture_that_nobody_listed_stops_the_bundle(tmp_path):
    (tmp_path / "figure_qc.png").write_bytes(b"")
    with pytest.raises(UserError, match="not on the list"):
        check_public(tmp_path, names=[])
