"""The three steps as the workflow chains them, over a shard of tiny scans."""

import shutil
from dataclasses import dataclass, replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from ldae.config import BiasField, BrainExtraction, Conform, Registration
from ldae.core.errors import UserError
from ldae.core.files import read_json, read_tsv
from ldae.core.store import open_store
from ldae.preprocessing.derivatives import ScanFiles, sidecar
from ldae.preprocessing.pack import pack_volumes
from ldae.preprocessing.shard import Shard, run_bias_field, run_extract_brain, run_register

N4 = BiasField(shrink_factor=6, iterations=[5], tolerance=1e-3)
BRAIN = BrainExtraction(second_stage=False)
AFFINE = Registration(transform="affine", resolution_mm=4.0)
GRID = Conform(shape=(48, 56, 48), spacing_mm=3.5, centre_mm=(0, -17, 5), interpolation="linear", intensity="robust")
SPACE = "MNI152NLin2009aSym"


@dataclass
class TinyCohort:
    """Two scans of one subject, of which the second is cut in half, and where everything goes."""

    folder: Path
    scans: pd.DataFrame
    workers: int = 1

    @property
    def derivatives(self) -> Path:
        return self.folder / "derivatives"

    @property
    def files(self) -> ScanFiles:
        return ScanFiles(self.derivatives, "sub-A", "ses-M000")

    @property
    def volume(self) -> Path:
        return self.files.volume(SPACE, GRID.spacing_mm)

    def status(self, step: str) -> Path:
        return self.folder / "status" / step / "0.tsv"

    def step(self, name: str) -> Shard:
        timings = self.folder / "logs" / f"{name}.tsv"
        return Shard(self.scans, self.derivatives, self.status(name), timings, workers=self.workers)

    def run(self, bias: BiasField = N4, registration: Registration = AFFINE, keep: bool = True) -> pd.DataFrame:
        run_bias_field(self.step("bias_field"), self.folder / "bids", bias)
        run_extract_brain(self.step("brain"), read_tsv(self.status("bias_field")), BRAIN)
        self.register(registration, keep)
        return read_tsv(self.status("register"))

    def register(self, registration: Registration = AFFINE, keep: bool = True, grid: Conform = GRID) -> None:
        run_register(self.step("register"), read_tsv(self.status("brain")), registration, grid, keep)

    def stamps(self) -> dict[str, int]:
        """Time of writing of every product."""
        return {path.name: path.stat().st_mtime_ns for path in self.derivatives.rglob("*") if path.is_file()}

    def contents(self) -> dict[str, bytes | dict]:
        """Every product byte by byte; of a sidecar all but the seconds and memory that were spent."""
        paths = [path for path in self.derivatives.rglob("*") if path.is_file()]
        return {path.name: without_spent(path) if path.suffix == ".json" else path.read_bytes() for path in paths}


def without_spent(path: Path) -> dict:
    return {name: value for name, value in read_json(path).items() if name != "spent"}


def make_shard(folder: Path, head: nib.Nifti1Image) -> TinyCohort:
    rows = []
    for session, months in (("ses-M000", 0), ("ses-M012", 12)):
        path = folder / "bids" / "sub-A" / session / "anat" / f"sub-A_{session}_T1w.nii.gz"
        path.parent.mkdir(parents=True)
        image = nib.Nifti1Image(np.rint(head.get_fdata()).astype(np.int16), head.affine)
        nib.save(image, path)
        rows.append(("sub-A", session, months, path.relative_to(folder / "bids").as_posix()))
    path.write_bytes(path.read_bytes()[:20_000])
    scans = pd.DataFrame(rows, columns=["participant_id", "session_id", "months", "t1w"])
    facts = {"age": 70.5, "sex": "F", "diagnosis": "CN", "mmse": 29, "cdr": 0.0, "field_strength": 3.0}
    return TinyCohort(folder, scans.assign(status="included", shard=0, **facts))


@pytest.fixture(scope="module")
def shard(tmp_path_factory, head) -> TinyCohort:
    """Run once; tests that change it work on a copy."""
    shard = make_shard(tmp_path_factory.mktemp("shard"), head)
    shard.run()
    return shard


def copy_of(shard: TinyCohort, folder: Path) -> TinyCohort:
    shutil.copytree(shard.folder, folder / "copy")
    return TinyCohort(folder / "copy", shard.scans)


def test_a_broken_scan_keeps_its_first_reason_and_the_good_one_goes_on(shard):
    bias, brain, register = (read_tsv(shard.status(step)) for step in ("bias_field", "brain", "register"))
    for status in (bias, brain, register):
        assert status["state"].tolist() == ["done", "quarantined"]
    assert bias["reason"][1].startswith("unreadable: EOFError")
    assert brain["reason"][1] == register["reason"][1] == f"earlier: {bias['reason'][1]}"
    assert register["dice_template"][0] > 0.93
    assert {"bias_range", "size", "sha256"} <= set(bias)
    assert {"brain_ml", "stripped", "noise", "cut_cm2"} <= set(brain)


def test_products_have_their_names_grids_and_sidecars(shard):
    scan = nib.load(shard.folder / "bids" / shard.scans["t1w"][0])
    mask = nib.load(shard.files.mask)
    assert np.array_equal(mask.affine, scan.affine) and mask.shape == scan.shape
    assert shard.volume.name == f"sub-A_ses-M000_space-{SPACE}_res-3p5_desc-preproc_T1w.nii.gz"
    volume = nib.load(shard.volume)
    assert volume.shape == GRID.shape and nib.aff2axcodes(volume.affine) == ("R", "A", "S")
    record = read_json(shard.volume.with_name(shard.volume.name.replace(".nii.gz", ".json")))
    assert record["parameters"] == AFFINE.model_dump(mode="json")
    assert record["conform"]["spacing_mm"] == 3.5
    assert np.loadtxt(shard.files.transform(SPACE)).shape == (4, 4)
    assert shard.files.picture.is_file()
    assert read_json(shard.derivatives / "dataset_description.json")["DatasetType"] == "derivative"


def test_a_second_run_writes_nothing(shard):
    before, statuses = shard.stamps(), [shard.status(s).read_bytes() for s in ("bias_field", "brain", "register")]
    shard.run()
    assert shard.stamps() == before
    assert [shard.status(s).read_bytes() for s in ("bias_field", "brain", "register")] == statuses


def test_two_runs_are_bitwise_equal_for_any_number_of_workers(shard, head, tmp_path):
    again = replace(make_shard(tmp_path, head), workers=2)
    twin = again.scans.iloc[[0]].assign(participant_id="sub-B")  # the same scan, worked on beside the first
    again.scans = pd.concat([twin, again.scans], ignore_index=True)
    again.run()
    assert shard.contents().items() <= again.contents().items()
    first, second = (again.contents()[shard.volume.name.replace("sub-A", name)] for name in ("sub-A", "sub-B"))
    assert first == second


def test_sidecars_say_what_each_step_cost(shard):
    for product in (shard.files.corrected, shard.files.mask, shard.volume):
        spent = read_json(sidecar(product))["spent"]
        assert spent["cpu_seconds"] > 0 and spent["seconds"] > 0
        assert 50 < spent["peak_mb"] < 4000


def test_a_changed_parameter_redoes_its_step_and_what_follows(shard, tmp_path):
    shard = copy_of(shard, tmp_path)
    before = shard.stamps()
    shard.run(registration=AFFINE.model_copy(update={"revision": 2}))
    changed = {name for name, stamp in shard.stamps().items() if stamp != before[name]}
    assert shard.volume.name in changed
    assert not changed & {shard.files.corrected.name, shard.files.mask.name}
    shard.run(bias=N4.model_copy(update={"shrink_factor": 4}))
    assert shard.stamps()[shard.files.mask.name] != before[shard.files.mask.name]


def test_a_damaged_product_is_made_again(shard, tmp_path):
    shard = copy_of(shard, tmp_path)
    whole = shard.volume.read_bytes()
    shard.volume.write_bytes(whole[:-9] + b"123456789")  # the same size
    shard.run()
    assert shard.volume.read_bytes() == whole


def test_a_dropped_corrected_image_is_asked_for_only_when_needed(shard, tmp_path):
    shard = copy_of(shard, tmp_path)
    shard.register(keep=False)
    assert not shard.files.corrected.exists()
    before = shard.volume.stat().st_mtime_ns
    shard.register(keep=False)
    assert shard.volume.stat().st_mtime_ns == before
    with pytest.raises(UserError, match="keep_corrected"):
        shard.register(grid=GRID.model_copy(update={"intensity": "minmax"}))


def test_packed_volumes_are_the_conformed_ones(shard, tmp_path):
    qc = read_tsv(shard.status("register"))
    pack_volumes(shard.scans, qc, shard.derivatives, GRID, tmp_path / "volumes")
    store = open_store(tmp_path / "volumes")
    assert store.data.shape == (1, *GRID.shape) and store.data.dtype == np.uint8
    assert np.abs(store.volumes([0])[0] - nib.load(shard.volume).get_fdata()).max() <= 0.5 / 255 + 1e-4
    assert store.index.loc[0, ["participant_id", "session_id", "diagnosis"]].tolist() == ["sub-A", "ses-M000", "CN"]
    assert np.array_equal(store.meta["affine"], nib.load(shard.volume).affine)
    assert store.meta["transform"] == "affine"


def test_a_changed_volume_is_not_packed(shard, tmp_path):
    qc = read_tsv(shard.status("register"))
    qc.loc[0, "sha256"] = "0" * 64
    with pytest.raises(UserError, match="missing or changed"):
        pack_volumes(shard.scans, qc, shard.derivatives, GRID, tmp_path / "volumes")
