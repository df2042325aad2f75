"""A long study that was stopped goes on where it was, to the same bytes, and trusts no piece of another study."""

from pathlib import Path

import numpy as np
import pytest
from toy_cohort import DIMENSION

from ldae.core.files import write_json
from ldae.inference.probe import Probe
from ldae.studies.common.codes_read import Reads
from ldae.studies.common.pieces import FOLDER, Pieces
from ldae.studies.common.shares import Share
from ldae.studies.interpolation import measure as interpolation
from ldae.studies.interpolation.measure import run_interpolation
from ldae.studies.manipulation.measure import run_manipulation
from ldae.studies.reconstruction.measure import run_reconstruction
from ldae.studies.reconstruction.solvers import run_solvers
from ldae.studies.samples.measure import run_samples

ALL = 10**6


class Stopped(Exception):
    """By its scheduler."""


class Counted(Pieces):
    """Counts what is made, and is stopped before one more than ``most``, or else when all is measured."""

    def __init__(self, folder, most, share=None):
        super().__init__(folder, "key", share)
        self.most, self.made, self.asked = most, 0, 0

    def counted(self, make):
        def counting():
            if self.made == self.most:
                raise Stopped
            self.made += 1
            return make()

        self.asked += 1
        return counting

    def rows(self, name, reads, make, kept=True):
        return super().rows(name, reads, self.counted(make) if kept else make, kept)

    def arrays(self, name, make):
        return super().arrays(name, self.counted(make))

    def clear(self):
        if self.most < ALL:
            raise Stopped
        super().clear()


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def runs(cohort, dae, settings, tmp_path, monkeypatch):
    """Study -> calls it with a folder and pieces."""
    monkeypatch.setattr(interpolation, "EXAMPLES", 1)  # of the toy's two triplets; shown ones are made again
    ldae, inputs = cohort
    settings = settings.model_copy(update={"batch": 1})
    # Of a manipulation's scans, each of 19 moves, some begin in a batch that is kept and go on in one that is not.
    wide = settings.model_copy(update={"batch": 5})

    probe, zeros = tmp_path / "probe.json", np.zeros(DIMENSION)
    fitted = Probe(zeros, zeros + 1, np.linspace(-1, 1, DIMENSION), 0.0, 1.0)
    write_json(probe, fitted.as_json() | {"codes": inputs.code_store("y_sem").digest})
    return {
        "reconstruction": lambda *more: run_reconstruction(ldae, dae, inputs, settings, 1, *more),
        "solvers": lambda *more: run_solvers(ldae, dae, inputs, settings, 1, *more),
        "interpolation": lambda *more: run_interpolation(ldae, inputs, settings, 1, *more),
        "manipulation": lambda *more: run_manipulation(ldae, inputs, probe, wide, 1, more[0], None, None, *more[1:]),
        "samples": lambda *more: run_samples(ldae, inputs, settings, 1, *more),
    }


@pytest.mark.parametrize("study", ["reconstruction", "solvers", "interpolation", "manipulation", "samples"])
def test_a_stopped_study_goes_on_to_the_same_bytes(runs, tmp_path, study):
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    runs[study](whole)
    stopped, continued = Counted(parts, 2), Counted(parts, ALL)
    with pytest.raises(Stopped):
        runs[study](parts, stopped)
    kept = len(list(stopped.folder.iterdir()))
    assert kept == stopped.made > 0
    runs[study](parts, continued)
    assert continued.made == continued.asked - kept
    assert contents(parts) == contents(whole)  # and no pieces are left


@pytest.mark.parametrize("study", ["reconstruction", "solvers", "interpolation"])
def test_shares_make_every_piece_once_and_the_study_finds_them_all(runs, tmp_path, study):
    """One of them is stopped and starts again; none writes a table. What is made of the pieces has the same bytes."""
    whole, parts, count = tmp_path / "whole", tmp_path / "parts", 3
    runs[study](whole)
    made = []
    for own in range(count):
        share = Share(own, count)
        if own == 1 and study != "interpolation":  # whose toy has one piece in all
            stopped = Counted(parts, 1, share)
            with pytest.raises(Stopped):
                runs[study](parts, stopped)
            made.append(stopped.made)
        worker = Counted(parts, ALL, share)
        runs[study](parts, worker)
        made.append(worker.made)
        assert {path.name for path in parts.iterdir()} <= {FOLDER}
    study_itself = Counted(parts, ALL)
    kept = len(list(study_itself.folder.iterdir()))
    assert kept == sum(made) > 0
    runs[study](parts, study_itself)
    assert study_itself.made == 0 and study_itself.asked == kept
    assert contents(parts) == contents(whole)


def test_pieces_of_other_settings_code_or_inputs_are_not_taken(tmp_path):
    """Nor the function that Snakemake has among its parameters."""
    model, store = tmp_path / "train" / "model.safetensors", tmp_path / "store.json"
    model.parent.mkdir()
    model.with_name("model.json").write_text("{}")
    store.write_text("{}")

    def place(**changes):
        params = {"settings": {"steps": 3}, "code": "a", "at": len} | changes
        return Pieces.of_job(tmp_path, params, [str(model), str(store)]).folder

    first = place()
    assert first == place() and first.parent == tmp_path / FOLDER
    assert first != place(code="b") and first != place(settings={"steps": 4})
    store.write_text("[]")
    assert place() != first


@pytest.mark.parametrize("left", [b"", b"{", b"[]", b"PK\x03\x04cut"])
def test_a_damaged_piece_is_made_again(left, tmp_path):
    """As a full disk leaves it, or a copy that broke off: no retry would pass it."""
    pieces, reads = Pieces(tmp_path, "key"), Reads(None, [])
    rows, arrays = [{"method": "ae", "ssim": 0.5}], {"x": np.arange(3)}
    pieces.rows("rows", reads, lambda: rows)
    pieces.arrays("arrays", lambda: arrays)
    for name in ("rows.json", "arrays.npz"):
        (pieces.folder / name).write_bytes(left)
    assert pieces.rows("rows", reads, lambda: rows) == rows
    assert np.array_equal(pieces.arrays("arrays", lambda: arrays)["x"], arrays["x"])
    assert pieces.rows("rows", reads, pytest.fail) == rows  # whole again
    assert np.array_equal(pieces.arrays("arrays", pytest.fail)["x"], arrays["x"])
