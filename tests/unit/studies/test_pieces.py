"""A long study that was stopped goes on where it was, to the same bytes, and trusts no piece of another study."""

from pathlib import Path

import pytest

from ldae.studies.common.pieces import FOLDER, Pieces
from ldae.studies.interpolation import measure as interpolation
from ldae.studies.interpolation.measure import run_interpolation
from ldae.studies.reconstruction.measure import run_reconstruction
from ldae.studies.reconstruction.solvers import run_solvers

ALL = 10**6


class Stopped(Exception):
    """By its scheduler."""


class Counted(Pieces):
    """Counts what is made, and is stopped before one more than ``most``, or else when all is measured."""

    def __init__(self, folder, most):
        super().__init__(folder, "key")
        self.most, self.made, self.asked = most, 0, 0

    def rows(self, name, reads, make):
        def counted():
            if self.made == self.most:
                raise Stopped
            self.made += 1
            return make()

        self.asked += 1
        return super().rows(name, reads, counted)

    def clear(self):
        if self.most < ALL:
            raise Stopped
        super().clear()


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("study", ["reconstruction", "solvers", "interpolation"])
def test_a_stopped_study_goes_on_to_the_same_bytes(cohort, dae, settings, tmp_path, study, monkeypatch):
    monkeypatch.setattr(interpolation, "EXAMPLES", 1)  # of the toy's two triplets; shown ones are made again
    ldae, inputs = cohort
    settings = settings.model_copy(update={"batch": 1})
    runs = {
        "reconstruction": lambda *more: run_reconstruction(ldae, dae, inputs, settings, 1, *more),
        "solvers": lambda *more: run_solvers(ldae, dae, inputs, settings, 1, *more),
        "interpolation": lambda *more: run_interpolation(ldae, inputs, settings, 1, *more),
    }
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
