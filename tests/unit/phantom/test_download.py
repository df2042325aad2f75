"""The written download: tables, truth, damage, resuming, and what the real converter makes of it."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ldae.config import Phantom
from ldae.core.errors import UserError
from ldae.core.files import read_json, read_tsv, sha256_file
from ldae.phantom.cohort import broken_images, make_raw_adni
from ldae.phantom.loni_images import images_of
from ldae.phantom.loni_tables import image_tables, study_tables
from ldae.phantom.visit_schedule import plan_cohort

REQUIRED = {  # what Clinica 0.12 was found to need, by dropping each column in turn
    "ADNIMERGE": """PTID VISCODE EXAMDATE COLPROT ORIGPROT RID SITE DX_bl AGE PTGENDER PTEDUCAT PTETHCAT PTMARRY APOE4
        ADAS11_bl ADAS13_bl ADASQ4_bl MMSE_bl RAVLT_immediate_bl MOCA_bl TRABSCOR_bl mPACCdigit_bl mPACCtrailsB_bl
        PIB AV45 ABETA PTAU EXAMDATE_bl DX MMSE CDRSB""",
    "MPRAGEMETA": "Orig/Proc SubjectID Visit MagStrength Sequence ScanDate StudyID SeriesID ImageUID",
    "MRIQUALITY": "RID LONIUID PASS",
    "MAYOADIRL_MRI_IMAGEQC_05_07_15": "RID loni_image series_type series_quality series_selected",
    "DXSUM_PDXCONV": "PTID VISCODE2 DIAGNOSIS",
    "APOERES": "RID GENOTYPE",
    "CDR": "RID VISCODE2 CDMEMORY CDORIENT CDJUDGE CDCOMMUN CDHOME CDCARE CDGLOBAL",
}


@pytest.fixture(scope="module")
def demo():
    settings = Phantom(subjects={"CN": 36, "MCI": 20, "AD": 36}, visits=2)
    plans = plan_cohort(settings, 42)
    return plans, [image for plan in plans for visit in plan.visits for image in images_of(42, plan, visit)]


def file_digests(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): sha256_file(path) for path in sorted(folder.rglob("*")) if path.is_file()}


def test_tables_have_the_columns_converters_read(raw):
    for name, columns in REQUIRED.items():
        (path,) = (raw / "clinical").glob(f"{name}_*.csv")
        assert set(columns.split()) <= set(pd.read_csv(path).columns), name


def test_diagnosis_table_has_repeated_pairs(demo):
    table = study_tables(demo[0], 42)["DXSUM_PDXCONV"]
    assert table.duplicated(["PTID", "VISCODE2"]).any()
    assert set(table.loc[table.VISCODE2 == "sc", "PTID"]) == {plan.subject.ptid for plan in demo[0]}


def test_clinical_values_are_legal(demo):
    merge = study_tables(demo[0], 42)["ADNIMERGE"]
    assert merge.PTID.str.fullmatch(r"\d{3}_S_\d{4}").all()
    assert set(merge.DX) == {"CN", "MCI", "Dementia"}
    assert set(merge.ORIGPROT) == {"ADNI1", "ADNIGO", "ADNI2", "ADNI3"}
    assert set(merge.loc[merge.ORIGPROT == "ADNIGO", "DX_bl"]) == {"EMCI"}
    assert not merge.duplicated(["PTID", "VISCODE"]).any()


def test_images_follow_their_phase(demo):
    meta = image_tables(demo[1])["MPRAGEMETA"].set_index("ImageUID")
    phases = {plan.subject.ptid: plan.phase for plan in demo[0]}
    for image in demo[1]:
        assert meta.MagStrength[image.image_id] == (1.5 if phases[image.ptid] == "ADNI1" else 3.0)
        assert ("Accelerated" in image.sequence) == (phases[image.ptid] == "ADNI3")
    assert meta.index.is_unique


def test_each_visit_has_one_chosen_image_and_some_a_refused_one(demo):
    plans, images = demo
    visits = sum(len(plan.visits) for plan in plans)
    assert sum(image.chosen for image in images) == visits
    refused = [image for image in images if not image.chosen]
    assert 0.01 * visits < len(refused) < 0.1 * visits
    for image in refused:
        assert image.passed == 0 or image.quality == 4 or image.sequence.endswith("_ND")
    assert all(image.passed != 0 and image.quality != 4 for image in images if image.chosen)


def test_truth_has_one_row_per_scan(raw, settings):
    truth = read_tsv(raw / "truth.tsv")
    needed = """participant_id session_id image_id diagnosis months age sex site stage stage_rate brainage_gap
        ventricle_ml hippocampus_l_ml hippocampus_r_ml brain_ml icv_ml amp_ventricle_l amp_cortex mmse cdr"""
    assert set(needed.split()) <= set(truth.columns)
    assert list(truth.columns[:3]) == ["participant_id", "session_id", "image_id"]
    assert len(truth) == 6 and not truth.duplicated(["participant_id", "session_id"]).any()
    assert truth.participant_id.str.fullmatch(r"sub-ADNI\d{3}S\d{4}").all()
    assert truth.session_id.str.fullmatch(r"ses-M\d{3}").all()
    assert truth[["ventricle_ml", "brain_ml", "icv_ml"]].notna().all(axis=None)
    assert (truth.groupby("participant_id").diagnosis.nunique() == 2).sum() == 1  # the converter


def test_broken_scan_has_one_short_file(raw):
    (broken,) = read_json(raw / "phantom.json")["broken_images"]
    sizes = [path.stat().st_size for path in (raw / "ADNI").rglob(f"*_I{broken}.dcm")]
    whole = max(sizes)
    assert sorted(size < whole for size in sizes) == [False] * (len(sizes) - 1) + [True]
    truth = read_tsv(raw / "truth.tsv").set_index("image_id")
    assert truth.months[broken] > 0 and not truth.converter[broken]


def test_broken_scans_prefer_follow_ups_of_subjects_with_extra_visits(demo):
    plans, images = demo
    extra = {plan.subject.ptid for plan in plans if plan.extra_visits and not plan.subject.converter}
    chosen = [image for image in images if image.image_id in broken_images(plans, 42, 4)]
    assert len(chosen) == 4 and all(image.months and image.ptid in extra for image in chosen)
    with pytest.raises(UserError, match="92 subjects"):
        broken_images(plans, 42, 93)


def test_one_process_and_a_larger_cohort_give_the_same_bytes(raw, anatomy_file, settings, tmp_path):
    """Two workers wrote ``raw``; one process writes a cohort with one more subject."""
    more = settings.model_copy(update={"subjects": {"CN": 2, "MCI": 1, "AD": 1}})
    make_raw_adni(tmp_path, more, 11, anatomy_cache=anatomy_file)
    ours, theirs = file_digests(raw / "ADNI"), file_digests(tmp_path / "ADNI")
    broken = read_json(raw / "phantom.json")["broken_images"][0]
    shared = {name: value for name, value in ours.items() if f"_I{broken}." not in name}
    assert shared and all(theirs[name] == value for name, value in shared.items())


def test_an_interrupted_download_is_finished_not_rewritten(raw, anatomy_file, settings, tmp_path):
    out = tmp_path / "raw"
    shutil.copytree(raw, out)
    before = file_digests(out)
    subjects = sorted((out / "ADNI").iterdir())
    shutil.rmtree(subjects[0])
    (out / "truth.tsv").unlink()
    kept = {path: path.stat().st_mtime_ns for path in subjects[1].rglob("*.dcm")}
    make_raw_adni(out, settings.model_copy(update={"broken_scans": 1}), 11, anatomy_cache=anatomy_file)
    assert file_digests(out) == before
    assert all(path.stat().st_mtime_ns == time for path, time in kept.items())


def test_other_settings_replace_a_synthetic_cohort_only(raw, anatomy_file, settings, tmp_path):
    one = settings.model_copy(update={"subjects": {"CN": 1}, "visits": 1})
    make_raw_adni(tmp_path, one, 1, anatomy_cache=anatomy_file)
    (tmp_path / "clinical/mine.txt").write_text("mine")
    make_raw_adni(tmp_path, one, 2, anatomy_cache=anatomy_file)
    assert (tmp_path / "clinical.aside-1/mine.txt").read_text() == "mine"
    assert not (tmp_path / "clinical/mine.txt").exists() and len(list((tmp_path / "ADNI.aside-1").iterdir())) == 1
    assert len(read_tsv(tmp_path / "truth.tsv")) == len(list((tmp_path / "ADNI").iterdir())) == 1
    real = tmp_path / "real"
    (real / "ADNI" / "002_S_0295").mkdir(parents=True)
    with pytest.raises(UserError, match="not synthetic"):
        make_raw_adni(real, one, 1, anatomy_cache=anatomy_file)


def test_clinica_chooses_every_expected_image(raw, tmp_path):
    """The unmodified converter: the right image of every visit, the broken one left out, voxels on the right side."""
    import nibabel

    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    folders = [str(raw / "ADNI"), str(raw / "clinical"), str(tmp_path / "bids")]
    command = [sys.executable, "-m", "clinica.cmdline", "convert", "adni-to-bids", "-m", "T1", "-np", "1", *folders]
    done = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    truth = read_tsv(raw / "truth.tsv")
    (listing,) = (tmp_path / "bids").rglob("t1_paths.tsv")
    assert set(pd.read_csv(listing, sep="\t").Image_ID) == set(truth.image_id)
    for row in truth.itertuples():
        name = f"{row.participant_id}_{row.session_id}_T1w.nii.gz"
        path = tmp_path / "bids" / row.participant_id / row.session_id / "anat" / name
        assert path.exists() == (not row.broken)
        if path.exists():
            values = nibabel.load(path).get_fdata()
            assert values.ndim == 3 and np.std(values) > 50
    sessions = pd.concat(
        pd.read_csv(path, sep="\t").assign(participant_id=path.parent.name)
        for path in (tmp_path / "bids").glob("sub-*/*_sessions.tsv")
    )
    both = truth.merge(sessions, on=["participant_id", "session_id"], suffixes=("", "_bids"))
    assert len(both) == len(truth) and (both.diagnosis == both.diagnosis_bids).all()
    assert (both.mmse == both.MMSE).all() and (both.cdr_global == both.cdr).all()
    assert not re.search(r"_Eq_|Traceback", done.stdout + done.stderr)
