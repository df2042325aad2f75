"""The cohort as a BIDS dataset: the same heads as the download's, read by the reader of foreign datasets."""

import nibabel as nib
import numpy as np
import pytest

from ldae.cohort.bids import bids_scans
from ldae.config import Bids
from ldae.core.errors import UserError
from ldae.core.files import read_json, read_tsv, sha256_file
from ldae.phantom.cohort import make_bids, visit_scan
from ldae.phantom.visit_schedule import plan_cohort

SEED = 11


@pytest.fixture(scope="module")
def made(tmp_path_factory, anatomy, anatomy_file, settings):
    out = tmp_path_factory.mktemp("made")
    make_bids(out, settings.model_copy(update={"broken_scans": 1}), SEED, 1, anatomy_file)
    return out


def test_truth_is_that_of_the_download(made, raw):
    assert (made / "truth.tsv").read_bytes() == (raw / "truth.tsv").read_bytes()


def test_images_are_those_of_the_heads_but_for_the_broken_one(made, anatomy, settings):
    (broken,) = read_json(made / "phantom.json")["broken_images"]
    scans = bids_scans(Bids(path=made / "bids")).set_index(["participant_id", "session_id"])
    for plan in plan_cohort(settings, SEED):
        for visit in plan.visits:
            row = scans.loc[(plan.subject.participant_id, f"ses-{visit.session}")]
            image = nib.load(made / "bids" / row["t1w"])
            if int(row["image_id"]) == broken:
                with pytest.raises((EOFError, OSError)):
                    image.get_fdata()
                continue
            scan = visit_scan(anatomy, plan, visit, SEED, settings.voxel_mm)
            assert np.array_equal(np.asarray(image.dataobj), scan.image)
            assert np.allclose(image.affine, scan.affine, atol=1e-4)


def test_the_reader_finds_what_the_truth_says(made):
    keys = ["participant_id", "session_id"]
    scans = bids_scans(Bids(path=made / "bids")).sort_values(keys, ignore_index=True)
    truth = read_tsv(made / "truth.tsv").sort_values(keys, ignore_index=True)
    damaged = scans[scans["reason"].notna()]
    assert damaged["image_id"].astype(int).tolist() == read_json(made / "phantom.json")["broken_images"]
    assert damaged["reason"].str.startswith("damaged: the file ends before its image does").all()
    for column in (*keys, "sex", "diagnosis", "months", "mmse", "cdr", "field_strength"):
        assert scans[column].tolist() == truth[column].tolist(), column
    assert scans["study_phase"].tolist() == truth["phase"].tolist()
    assert np.abs(scans["age"] - truth["age"]).max() < 0.011  # both are rounded; days count in both


def test_a_lost_image_alone_is_made_again(made, anatomy_file, settings):
    images = sorted((made / "bids").rglob("*_T1w.nii.gz"))
    before = {path: (sha256_file(path), path.stat().st_mtime_ns) for path in images}
    images[0].unlink()
    make_bids(made, settings.model_copy(update={"broken_scans": 1}), SEED, 1, anatomy_file)
    assert sha256_file(images[0]) == before[images[0]][0]
    assert all(path.stat().st_mtime_ns == before[path][1] for path in images[1:])


def test_a_dataset_of_others_is_never_written_to(tmp_path, anatomy_file, settings):
    (tmp_path / "bids").mkdir()
    (tmp_path / "bids/dataset_description.json").write_text("{}")
    with pytest.raises(UserError, match="not synthetic"):
        make_bids(tmp_path, settings, SEED, 1, anatomy_file)
