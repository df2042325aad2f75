"""The derivatives as BIDS sees them: its validator finds no error in any kind of file that the steps write."""

import json
import re
import subprocess
import sys
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from ldae.core.files import read_json, write_json, write_tsv
from ldae.preprocessing.cohort_quality import METRICS
from ldae.preprocessing.derivatives import ScanFiles, sidecar
from ldae.preprocessing.description import MEANING, describe_dataset, describe_products, reference
from ldae.preprocessing.given_volumes import COLUMNS as OF_GIVEN
from ldae.preprocessing.longitudinal import SubjectMean
from ldae.preprocessing.one_scan import claim_of

SPACE, SPACING = "MNI152NLin2009aSym", 1.5
METRIC_ROW = pd.DataFrame([{"participant_id": "sub-A", "session_id": "ses-M000", **dict.fromkeys(METRICS, 1.0)}])


def issues(dataset: Path) -> dict[str, set[str]]:
    """severity -> codes with what they are about, of the BIDS validator."""
    validator = Path(sys.executable).with_name("bids-validator-deno")
    report = json.loads(subprocess.run([validator, dataset, "--format", "json"], capture_output=True).stdout)
    found = report["issues"]["issues"]
    kinds = {item["severity"] for item in found}
    return {
        kind: {
            f"{item['code']} {item.get('subCode') or item.get('location')}"
            for item in found
            if item["severity"] == kind
        }
        for kind in kinds
    }


@pytest.fixture
def derivatives(tmp_path: Path) -> Path:
    """Every kind of file that any configuration leaves, of two subjects with two visits; one N4 image was dropped."""
    root = tmp_path / "derivatives" / "ldae-preproc"
    image = nib.Nifti1Image(np.ones((8, 9, 8), np.int16), np.diag([2.0, 2, 2, 1]))
    image.header.set_xyzt_units("mm")
    for subject in ("sub-A", "sub-B"):
        for session in ("ses-M000", "ses-M012"):
            files = ScanFiles(root, subject, session)
            files.anat.mkdir(parents=True)
            volumes = [files.corrected, files.mask, files.probability, files.volume(SPACE, SPACING)]
            volumes += [files.template_mask(SPACE, SPACING), files.jacobian(SPACE), files.warp(SPACE)]
            for path in volumes:
                nib.save(image, path)
            sources = {"Sources": [f"bids::{files.corrected.relative_to(root).as_posix()}"]}
            for path in (
                files.corrected,
                files.mask,
                files.volume(SPACE, SPACING),
                files.template_mask(SPACE, SPACING),
            ):
                space = reference(SPACE) if "_space-" in path.name else "orig"
                write_json(sidecar(path), {"key": "0", "SpatialReference": space, **sources})
            write_json(claim_of(files), {"source": "x"})
            write_tsv(files.anat / f"{files.stem}_desc-qc_T1w.tsv", METRIC_ROW)
            files.transform(SPACE).write_text("1 0 0 0\n")
            files.picture.parent.mkdir(exist_ok=True)
            files.picture.write_bytes(b"\x89PNG")
        mean = SubjectMean(root, subject)
        mean.image.parent.mkdir()
        nib.save(image, mean.image)
        write_json(sidecar(mean.image), {"key": "0"})
        for path in mean.needed("syn", ["ses-M000"]):
            path.write_bytes(b"1")
    files.corrected.unlink()  # keep_corrected: false; its sidecar stays
    write_tsv(root / "qc.tsv", METRIC_ROW)
    write_tsv(root / "exclusions.tsv", METRIC_ROW[["participant_id", "session_id"]])
    (root / "qc_mosaic.png").write_bytes(b"\x89PNG")
    return root


def test_the_validator_finds_no_error_in_derivatives_of_any_configuration(derivatives, tmp_path):
    raw = tmp_path / "bids"
    write_json(raw / "dataset_description.json", {"Name": "raw", "BIDSVersion": "1.9.0", "Authors": ["A", "B"]})
    assert "error" in issues(derivatives)
    describe_dataset(derivatives, raw)
    describe_products(derivatives, [path.name for path in derivatives.rglob("*.nii.gz")])
    found = issues(derivatives)
    assert found.get("error", set()) == set()
    assert found.get("warning", set()) <= {"SIDECAR_KEY_RECOMMENDED Sources"}  # of probabilities, which have no sidecar


def test_the_validator_finds_no_error_where_only_some_kinds_are_there(derivatives, tmp_path):
    """No sidecar at the root is without a file that inherits it."""
    for path in derivatives.rglob("*"):
        if re.search(r"logjacobian|_warp|probseg|mean", path.name):
            path.unlink()
    describe_dataset(derivatives, tmp_path / "bids")
    describe_products(derivatives, [path.name for path in derivatives.rglob("*.nii.gz")])
    assert issues(derivatives).get("error", set()) == set()


def test_the_description_names_the_raw_dataset_and_its_version_of_bids(tmp_path):
    root, raw = tmp_path / "results/derivatives/ldae-preproc", tmp_path / "data/raw"
    described = root / "dataset_description.json"
    write_json(raw / "dataset_description.json", {"BIDSVersion": "1.7.0", "DatasetDOI": "doi:10.0/x", "Authors": ["A"]})
    describe_dataset(root, raw)
    content = read_json(described)
    assert content["BIDSVersion"] == "1.7.0" and content["DatasetType"] == "derivative" and content["Authors"] == ["A"]
    assert content["SourceDatasets"] == [{"URL": "../../../data/raw", "DOI": "doi:10.0/x"}]
    assert (root / content["DatasetLinks"]["raw"]).resolve() == raw.resolve()
    assert content["GeneratedBy"][0]["Name"] == "ldae-adni"
    describe_dataset(root)  # of one scan, without its dataset: what is known stays
    assert read_json(described) == content
    time = described.stat().st_mtime_ns
    describe_dataset(root, raw)
    assert described.stat().st_mtime_ns == time
    for damaged in ("{", "[]", '{"BIDSVersion": 1}', ""):
        (raw / "dataset_description.json").write_text(damaged)
        describe_dataset(root, raw)
        assert read_json(described)["BIDSVersion"] == "1.10.0"


def test_own_lines_of_bidsignore_and_an_own_readme_stay(tmp_path):
    (tmp_path / ".bidsignore").write_text("notes/\nfigures\n")
    (tmp_path / "README").write_text("mine")
    describe_dataset(tmp_path)
    describe_dataset(tmp_path)
    lines = (tmp_path / ".bidsignore").read_text().splitlines()
    assert lines[:2] == ["notes/", "figures"] and len(lines) == len(set(lines)) > 5
    assert (tmp_path / "README").read_text() == "mine"


def test_every_metric_has_a_meaning(tmp_path):
    assert {*METRICS} | {"ncc_mean_slice"} & {*OF_GIVEN} == set(MEANING)
    volume = f"sub-A_ses-M000_space-{SPACE}_res-1p5_desc-preproc_T1w.nii.gz"
    mask = "sub-A_ses-M000_desc-brain_mask.nii.gz"
    describe_products(tmp_path, [volume, volume.replace("1p5", "3"), mask])
    assert not (tmp_path / "desc-mean_T1w.json").exists()
    inherited = read_json(tmp_path / f"space-{SPACE}_res-1p5_desc-preproc_T1w.json")
    assert inherited["SkullStripped"] is True and inherited["Resolution"].startswith("1.5 mm")
    assert set(inherited["MetricsDescription"]) == set(MEANING)
    assert set(read_json(tmp_path / "desc-brain_mask.json")["Resolution"]) == {"1p5", "3"}
    assert set(read_json(tmp_path / "qc.json")) >= {*METRICS, "participant_id", "qc_reason", "state"}
