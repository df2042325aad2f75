"""Whatever the bytes: a reader takes them or says in one sentence why not. No hang, no traceback, no bomb."""

import gzip
import os
import resource
import signal
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from bombs import claiming, deflated_dicom, packed_scan
from fuzzing import PAPER, fuzz, read_slice

from ldae.config import Conform, load_config
from ldae.core.errors import QuarantinedScan, UserError
from ldae.core.files import read_json, read_tsv
from ldae.core.text_tables import read_text_table
from ldae.preprocessing.given_volumes import given_volume
from ldae.preprocessing.reading import read_given


def test_every_reader_takes_or_refuses_changed_files_in_a_sentence(tmp_path):
    """`make fuzz` tries more of them."""
    found = fuzz(tmp_path, inputs=40, seed=0)
    assert len(found) > 30 and all(outcome.inputs == 40 for outcome in found.values())
    assert {name: dict(outcome.untyped) for name, outcome in found.items() if outcome.untyped} == {}
    assert sum(outcome.taken for outcome in found.values()) > 100  # not only refused
    assert max(outcome.slowest for outcome in found.values()) < 10


@pytest.fixture
def no_waiting():
    """A reader that waits is ended."""
    earlier = signal.signal(signal.SIGALRM, lambda *_: pytest.fail("it waits"))
    signal.alarm(20)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, earlier)


@pytest.mark.parametrize("read", [read_json, read_tsv, read_text_table, lambda path: load_config(PAPER, path)])
@pytest.mark.parametrize("kind", ["pipe", "device"])
def test_pipes_and_devices_are_no_tables(tmp_path, no_waiting, read, kind):
    path = tmp_path / "table.tsv"
    os.mkfifo(path) if kind == "pipe" else path.symlink_to("/dev/zero")
    with pytest.raises(UserError, match=r"table\.tsv is no file"):
        read(path)


@pytest.mark.parametrize("read", [read_given, lambda path: given_volume(path, Conform(shape=(48, 48, 48)))])
def test_a_scan_that_unpacks_to_a_thousand_times_its_size_is_not_unpacked(tmp_path, read):
    """0.6 MB that claim to be 0.7 GB."""
    path = packed_scan(tmp_path / "bomb.nii.gz", 700)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(QuarantinedScan, match=r"cannot unpack to the 0\.7 GB"):
        read(path)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000  # KiB


def test_a_deflated_slice_that_unpacks_to_a_thousand_times_its_size_is_not_unpacked(tmp_path):
    path = deflated_dicom(tmp_path / "00001_I7.dcm", 700_000_000)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(QuarantinedScan, match="none of the 1 files of I7 has a usable header"):
        read_slice(path)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000  # KiB
    path.unlink()
    read_slice(deflated_dicom(path, 1 << 20))  # as large as a slice may be


@pytest.mark.parametrize("more", [{"Rows": 65535, "Columns": 65535}, {"NumberOfFrames": 10**6, "Rows": 512}])
def test_a_header_that_claims_more_voxels_than_any_image_has_is_no_image(tmp_path, more):
    with pytest.raises(QuarantinedScan, match=r"unreadable DICOM: the headers of I7 claim [48]\.\de\+09 voxels"):
        read_slice(claiming(tmp_path / "series", **more))


@pytest.mark.parametrize(
    ("place", "kind", "value"),
    [(42, "<i2", [0]), (42, "<i2", [-1]), (280, "<f4", [0] * 4), (280, "<f4", [np.nan] * 4)],
)
def test_a_given_volume_with_a_broken_header_is_quarantined(tmp_path: Path, place, kind, value):
    """One bad volume among the good ones of `source: csv` is left out, and ends nothing."""
    volume = np.random.default_rng(0).random((24, 24, 24), dtype=np.float32)
    content = bytearray(nib.Nifti1Image(volume, np.diag([3.0, 3.0, 3.0, 1.0])).to_bytes())
    changed = np.array(value, kind).tobytes()
    content[place : place + len(changed)] = changed
    (tmp_path / "volume.nii.gz").write_bytes(gzip.compress(bytes(content)))
    with pytest.raises(QuarantinedScan):
        given_volume(tmp_path / "volume.nii.gz", Conform(shape=(24, 24, 24), spacing_mm=3.0, centre_mm=(0, 0, 0)))
