"""`ldae apply`: every scan answered or refused, nothing done twice, nothing believed to be a scan that is none."""

import os
import re
import shutil
import threading
from argparse import Namespace
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from ldae.cli import main
from ldae.commands.apply import places
from ldae.core.errors import UserError
from ldae.core.files import read_tsv, write_json
from ldae.core.folders import alone_in
from ldae.inference.answers import NOTE
from ldae.inference.apply import Given, Request, _key, apply_model, find_scans, on_own_grid
from ldae.inference.model import LDAE

NAME = "sub-20_ses-M000"
BROKEN = "sub-broken_T1w.nii.gz"


@pytest.fixture(scope="module")
def broken(raw, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("broken") / BROKEN
    path.write_bytes(raw.read_bytes()[:5000])
    return path


@pytest.fixture(scope="module")
def out(exported, raw, broken, tmp_path_factory) -> Path:
    """One good scan and one that cannot be read."""
    folder = tmp_path_factory.mktemp("applied")
    inputs = [str(broken), str(raw), "--out", str(folder)]
    assert main(["apply", str(exported), *inputs, "--probabilities", ".2", ".8"]) == 3
    return folder


def decoded(out: Path, kind: str, space: str = "MNI152NLin2009aSym_res-3p5") -> nib.Nifti1Image:
    return nib.load(out / f"sub-20/ses-M000/anat/{NAME}_space-{space}_desc-{kind}_T1w.nii.gz")


def test_a_bad_scan_is_refused_and_stops_no_other(out):
    table = read_tsv(out / "predictions.tsv", dtype={"session_id": str}).set_index("participant_id")
    assert list(table.index) == ["sub-broken", "sub-20"]  # in the order of the inputs
    assert table.loc["sub-broken", "status"] == "refused"
    assert "unreadable: EOFError" in table.loc["sub-broken", "reason"]
    assert table.loc["sub-broken"].drop(["session_id", "source", "status", "reason"]).isna().all()
    assert table.loc["sub-20", "status"] in ("usual", "unusual")


def test_the_tables_say_what_the_model_says(out, model, scan):
    codes = model.encode(scan, stochastic=False)
    table = read_tsv(out / "codes.tsv", dtype=str)
    assert list(table["participant_id"]) == ["sub-20"]
    stated = table.filter(like="y_sem_").iloc[0].astype(float).to_numpy(np.float32)
    assert np.array_equal(stated, codes.y_sem)  # every bit
    row = read_tsv(out / "predictions.tsv", dtype=str).set_index("participant_id").loc["sub-20"]
    said, likeness = model.predict(codes), model.likeness(scan, codes)
    assert row["probability_ad"] == f"{said.probability_ad:.6g}" and row["age"] == f"{said.age:.6g}"
    assert (row["age_low"], row["age_high"]) == (f"{said.age_low:.6g}", f"{said.age_high:.6g}")
    assert row["percentile"] == f"{likeness.percentile:.6g}" and row["stands_out"] == likeness.stands_out
    assert row["status"] == ("unusual" if likeness.unusual else "usual")
    assert (row["coverage"], row["age_subjects"]) == (f"{said.coverage:.6g}", "20")
    assert (row["plane_x"], row["plane_y"]) == tuple(f"{value:.6g}" for value in said.plane)


def test_volumes_are_those_of_the_model(out, model, scan):
    codes = model.encode(scan)
    rebuilt, edited = model.decode(codes), model.decode(model.edit(codes, "AD", 0.8))
    assert np.array_equal(decoded(out, "reconstruction").get_fdata(dtype=np.float32), rebuilt.volume)
    assert np.array_equal(decoded(out, "AD80").get_fdata(dtype=np.float32), edited.volume)
    change = decoded(out, "AD80difference")
    assert np.array_equal(change.get_fdata(dtype=np.float32), edited.volume - rebuilt.volume)
    assert bytes(change.header["descrip"]).startswith(b"made by LDAE, not a scan")


def test_volumes_come_back_to_the_grid_of_the_scan(out, model, raw, scan):
    """The preprocessed scan, taken back, is the brain of the raw one."""
    native = on_own_grid(model.facts, scan, out, scan.to_nifti())
    original = nib.load(raw)
    assert native.shape == original.shape == decoded(out, "AD20", "T1w").shape
    assert np.array_equal(native.affine, original.affine)
    inside = np.asanyarray(nib.load(out / f"sub-20/ses-M000/anat/{NAME}_desc-brain_mask.nii.gz").dataobj) > 0
    back, data = native.get_fdata(), original.get_fdata()
    assert np.corrcoef(back[inside], data[inside])[0, 1] > 0.9
    shifted = np.roll(back, 3, axis=1)
    assert np.corrcoef(shifted[inside], data[inside])[0, 1] < 0.9


def test_nothing_is_done_twice(out, exported, raw, broken, capsys):
    def times() -> dict[str, int]:
        return {path.name: path.stat().st_mtime_ns for path in out.rglob("sub-*_*") if path.suffix != ".html"}

    def again(*more: str) -> dict[str, int]:
        main(["apply", str(exported), str(broken), str(raw), "--out", str(out), *more])
        return times()

    before, table = times(), (out / "predictions.tsv").read_bytes()
    assert again("--probabilities", ".2", ".8") == before and (out / "predictions.tsv").read_bytes() == table
    gone = next(path for path in out.rglob("*_desc-AD20_*") if "res-3p5" in path.name)
    gone.unlink()
    after = again("--probabilities", ".2", ".8")
    changed = {name for name in before if before[name] != after[name]}
    assert gone.name in changed and not any("desc-preproc" in name or "broken" in name for name in changed)


def test_pages_say_loudly_what_they_are_and_need_nothing(out):
    index, page = (out / "index.html").read_text(), (out / f"{NAME}.html").read_text()
    for text in (index, page):
        assert text.count(f'<p class="loud">{NOTE}</p>') == 1
        assert not re.findall(r"(?:src|href)=\"(?:https?:)?//", text)
    assert "unreadable: EOFError" in index and f'href="{NAME}.html"' in index
    assert page.count('src="data:image/png;base64,') == 6
    assert page.count("<ellipse") == 3 and page.count("<circle") == 1 and "<svg" not in index


def test_codes_alone_leave_tables_alone(exported, raw, out, tmp_path):
    assert main(["apply", str(exported), str(raw), "--out", str(tmp_path), "--codes-only"]) == 0
    assert {path.name for path in tmp_path.rglob("*") if path.is_file()} == {
        *("README", ".bidsignore", "predictions.tsv", "predictions.json", "codes.tsv", "codes.json", "index.html"),
        f"{NAME}_desc-ldae_T1w.json",
    }
    assert read_tsv(tmp_path / "codes.tsv", dtype=str).equals(read_tsv(out / "codes.tsv", dtype=str))


def test_jobs_of_one_scan_each_make_one_table(exported, raw, tmp_path):
    scans, out = tmp_path / "scans", tmp_path / "out"
    scans.mkdir()
    for number in (1, 2):
        shutil.copy(raw, scans / f"sub-{number}_T1w.nii.gz")
    ask = ["apply", str(exported), "--out", str(out), "--codes-only"]
    assert main([*ask[:2], str(scans / "sub-2_T1w.nii.gz"), *ask[2:]]) == 0
    assert main([*ask[:2], str(scans / "sub-1_T1w.nii.gz"), *ask[2:]]) == 0
    for name in ("predictions.tsv", "codes.tsv"):
        assert read_tsv(out / name)["participant_id"].tolist() == ["sub-1", "sub-2"]
    assert (out / "index.html").read_text().count("sub-2_ses-M000") >= 1
    record = out / "sub-2/ses-M000/anat/sub-2_ses-M000_desc-ldae_T1w.json"
    record.write_bytes(record.read_bytes()[:100])  # a disk that was full: the scan is worked on again
    assert main([*ask[:2], str(scans), *ask[2:]]) == 0
    assert read_tsv(out / "predictions.tsv")["participant_id"].tolist() == ["sub-1", "sub-2"]
    write_json(record, {"key": "x", "asked": "of another model", "files": [], "answer": {"y_sem": None}})
    assert main([*ask[:2], str(scans / "sub-1_T1w.nii.gz"), *ask[2:]]) == 0
    assert read_tsv(out / "predictions.tsv")["participant_id"].tolist() == ["sub-1"]


def test_jobs_that_end_together_leave_nobody_out(exported, raw, tmp_path):
    """Between what a job reads of the others and what it writes, no other job writes."""
    scans, out, request = tmp_path / "scans", tmp_path / "out", Request(codes_only=True)
    scans.mkdir()
    for number in (1, 2):
        shutil.copy(raw, scans / f"sub-{number}_T1w.nii.gz")
    model = LDAE.load(exported)
    apply_model(model, find_scans([scans]), out, request)
    record = out / "sub-2/ses-M000/anat/sub-2_ses-M000_desc-ldae_T1w.json"
    own = find_scans([scans / "sub-1_T1w.nii.gz"])
    with alone_in(out):  # another job is about to write its record and the tables
        record.rename(tmp_path / record.name)
        job = threading.Thread(target=apply_model, args=(model, own, out, request))
        job.start()
        job.join(3)
        assert job.is_alive()
        (tmp_path / record.name).rename(record)
    job.join()
    assert read_tsv(out / "predictions.tsv")["participant_id"].tolist() == ["sub-1", "sub-2"]


def test_a_folder_that_cannot_be_written_to_is_one_sentence(exported, raw, tmp_path, capsys):
    (tmp_path / "file").write_text("")
    for name in ("file", "file/below"):
        assert main(["apply", str(exported), str(raw), "--out", str(tmp_path / name)]) == 1
        assert capsys.readouterr().err.splitlines()[-1].startswith(f"ldae: {tmp_path / name} cannot be written to (")


def test_a_folder_of_images_is_its_images(dataset, tmp_path):
    folder = tmp_path / "mine"
    folder.mkdir()
    for name in ("b.nii", "a.nii.gz", "notes.txt"):
        (folder / name).write_bytes(b"")
    assert [scan.name for scan in find_scans([folder])] == ["sub-a_ses-M000", "sub-b_ses-M000"]


def test_another_scan_of_the_same_name_is_refused(out, exported, raw, tmp_path, capsys):
    other = tmp_path / raw.name
    image = nib.load(raw)
    nib.save(nib.Nifti1Image(image.get_fdata(dtype=np.float32) * 1.5, image.affine), other)
    copy = shutil.copytree(out, tmp_path / "out")
    assert main(["apply", str(exported), str(other), "--out", str(copy)]) == 3
    assert "already holds sub-20 ses-M000" in capsys.readouterr().err


@pytest.fixture
def dataset(tmp_path) -> Path:
    for name in ("sub-1/ses-a/anat/sub-1_ses-a_T1w", "sub-1/ses-b/anat/sub-1_ses-b_run-2_T1w",
                 "sub-1/ses-b/anat/sub-1_ses-b_run-1_T1w", "sub-2/anat/sub-2_T1w"):  # fmt: skip
        path = tmp_path / f"bids/{name}.nii.gz"
        path.parent.mkdir(parents=True, exist_ok=True)
        nib.save(nib.Nifti1Image(np.zeros((2, 2, 2), np.uint8), np.eye(4)), path)
    return tmp_path / "bids"


def test_a_dataset_gives_one_scan_a_visit(dataset, exported, tmp_path):
    page = dataset / "sub-3/anat/sub-3_T1w.nii.gz"
    page.parent.mkdir(parents=True)
    page.write_text("<html>")
    page.with_name("sub-3_run-2_T1w.nii.gz").write_text("<html>")
    (dataset / "sub-4/anat").mkdir(parents=True)
    (dataset / "sub-4/anat/sub-4_mprage.nii.gz").write_text("")
    found = find_scans([dataset])
    assert [scan.name for scan in found if not scan.refusal] == ["sub-1_ses-a", "sub-1_ses-b", "sub-2_ses-M000"]
    answers = apply_model(LDAE.load(exported), found[3:], tmp_path / "out", Request(codes_only=True))
    assert list(answers["participant_id"]) == ["sub-3", "sub-4"] and set(answers["status"]) == {"refused"}
    assert answers["reason"][0] == "no NIfTI file: it is a web page or XML"
    assert answers["reason"][1].startswith("T1w image under another name: sub-4/anat/sub-4_mprage.nii.gz (rename it")
    assert found[1].source.name == "sub-1_ses-b_run-1_T1w.nii.gz"
    assert [scan.name for scan in find_scans([dataset], ["1"], ["ses-b"])] == ["sub-1_ses-b"]
    assert [scan.name for scan in find_scans([dataset], ["sub-2"])] == ["sub-2_ses-M000"]


def test_inputs_that_make_no_sense_are_one_sentence(dataset, raw, tmp_path):
    with pytest.raises(UserError, match=r"has --participant-label 3; participants there: 1, 2\.$"):
        find_scans([dataset], ["3"])
    with pytest.raises(UserError, match="does not exist"):
        find_scans([tmp_path / "nothing.nii.gz"])
    twin = tmp_path / raw.name
    shutil.copy(raw, twin)
    with pytest.raises(UserError, match=f"would both be {NAME}"):
        find_scans([raw, twin])


def test_the_words_of_bids_apps(dataset, tmp_path, capsys):
    def said(inputs, out):
        return Namespace(inputs=inputs, out=out, model=Path("model"))

    given = said([str(dataset), str(tmp_path / "out"), "participant"], None)
    assert places(given) == ([dataset], tmp_path / "out")
    assert places(said(["a", "b"], Path("c"))) == ([Path("a"), Path("b")], Path("c"))
    for inputs in ([str(dataset)], [str(dataset), "out", "group"]):
        with pytest.raises(UserError, match="as BIDS-Apps do"):
            places(said(inputs, None))
    with pytest.raises(UserError, match="choose another folder"):
        places(said([str(dataset)], dataset))
    for out in ("model", "model/answers", "model/../model"):
        with pytest.raises(UserError, match="lies in the model model, which stays as it is"):
            places(said([str(dataset)], Path(out)))
    assert main(["apply", "model", str(dataset), "--out", str(tmp_path), "--probabilities", "1"]) == 1
    assert "no finite step" in capsys.readouterr().err


def test_what_is_no_file_is_refused_and_stops_nothing(exported, out, raw, tmp_path):
    """A link to nowhere, a loop of links and a pipe among scans."""
    scans = tmp_path / "scans"
    scans.mkdir()
    (scans / "sub-gone_T1w.nii.gz").symlink_to(tmp_path / "sub-gone_T1w.nii.gz")
    (scans / "sub-loop_T1w.nii.gz").symlink_to(scans / "sub-loop_T1w.nii.gz")
    os.mkfifo(scans / "sub-pipe_T1w.nii.gz")
    answers = apply_model(LDAE.load(exported), find_scans([scans]), tmp_path / "out", Request(codes_only=True))
    assert answers["status"].tolist() == ["refused"] * 3
    assert answers["reason"].str.startswith("it is neither a file nor a folder with files").all()


def test_a_key_is_of_everything_that_is_read(model, tmp_path):
    """The image beside a header, and slices behind a link."""
    (tmp_path / "p.hdr").write_bytes(b"header")
    (tmp_path / "p.img").write_bytes(b"image")
    (tmp_path / "real").mkdir()
    (tmp_path / "real/1.dcm").write_bytes(b"slice")
    (tmp_path / "linked").mkdir()
    (tmp_path / "linked/in").symlink_to(tmp_path / "real")
    for source, part in (("p.hdr", "p.img"), ("linked", "real/1.dcm")):
        scan = Given("sub-1", "ses-M000", tmp_path / source)
        before = _key(model, scan, Request())
        (tmp_path / part).write_bytes(b"changed")
        assert _key(model, scan, Request()) != before
