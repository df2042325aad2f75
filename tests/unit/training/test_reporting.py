"""What a person sees of a training: a bar in a terminal and nothing of it elsewhere, live rows, pictures, curves."""

import json
import os
import re
import sys

import matplotlib.image
import numpy as np
import pytest
import torch
from toy import ToyStage, training

from ldae.config import Launch
from ldae.core.errors import UserError
from ldae.core.files import rewind_rows
from ldae.inference.device import device_name, pick_device
from ldae.studies.efficiency.measure import spent
from ldae.training.loop import train
from ldae.training.records import sheet


def test_a_terminal_shows_losses_speed_and_the_time_left(tmp_path, monkeypatch):
    ours, theirs = os.openpty()
    with os.fdopen(theirs, "w") as terminal:
        monkeypatch.setattr(sys, "stderr", terminal)
        monkeypatch.setenv("TERM", "xterm")
        monkeypatch.setenv("COLUMNS", "150")
        train(ToyStage(), training(), 1, tmp_path, {})
        monkeypatch.undo()
        terminal.flush()
        shown = re.sub(r"\x1b\[[0-9;?]*\w", "", os.read(ours, 100_000).decode())
    os.close(ours)
    assert re.search(r"toy .*12/12 .*main \S+ .*scans/s", shown), shown[-500:]


def test_elsewhere_there_is_no_bar(tmp_path, capfd):
    train(ToyStage(), training(), 1, tmp_path, {})
    assert "━" not in "".join(capfd.readouterr())


def test_rows_after_the_step_and_torn_rows_are_dropped(tmp_path):
    path = tmp_path / "live.jsonl"
    path.write_text("".join(json.dumps({"step": step}) + "\n" for step in (1, 2, 3)) + '{"step": 4, "lo')
    assert rewind_rows(path, 2) == [{"step": 1}, {"step": 2}]
    assert path.read_text().count("\n") == 2
    assert rewind_rows(tmp_path / "none.jsonl", 2) == []


def test_seconds_go_on_after_a_stop(tmp_path):
    live = tmp_path / "live.jsonl"
    live.write_text('{"step": 0, "seconds": 100.0}\n')
    train(ToyStage(), training(), 1, tmp_path, {})
    rows = [json.loads(line) for line in live.read_text().splitlines()]
    assert [row["step"] for row in rows] == list(range(13))
    assert all(row["seconds"] >= 100 for row in rows)


def test_a_finished_training_knows_its_device_hours(tmp_path):
    train(ToyStage(), training(), 1, tmp_path / "checkpoints", {})
    found = spent(tmp_path)
    assert found.hours == found.device_hours >= 0
    assert found.devices == f"1 x {device_name(pick_device())}"


class Degenerate(ToyStage):
    def remark(self, history):
        return f"degenerate since step {history[0]['step']}" if len(history) > 1 else None


def test_a_degenerate_training_is_said_once(tmp_path, caplog):
    with caplog.at_level("WARNING", logger="ldae"):
        train(Degenerate(), training(), 1, tmp_path, {})
    assert [record.message for record in caplog.records] == ["degenerate since step 4"]


class Pictured(ToyStage):
    def examples(self, product):
        return torch.linspace(0, 1, 2 * 3 * 4 * 5 * 6).view(2, 3, 4, 5, 6)


def test_pictures_come_every_so_many_validations(tmp_path):
    train(Pictured(), training(), 1, tmp_path / "two", {}, Launch(pictures_every=2))
    assert [path.name for path in (tmp_path / "two/pictures").iterdir()] == ["step-00000008.png"]
    image = matplotlib.image.imread(tmp_path / "two/pictures/step-00000008.png")
    assert image.shape[:2] == (2 * (5 + 6), 3 * 4)
    train(Pictured(), training(), 1, tmp_path / "none", {}, Launch(pictures_every=0))
    assert not (tmp_path / "none/pictures").exists()


def test_the_sheet_shows_anterior_and_superior_up():
    volume = torch.zeros(1, 1, 4, 5, 6)
    volume[0, 0, 0, 4, 3] = 0.5  # left, most anterior, in the middle axial slice
    volume[0, 0, 0, 2, 5] = 1.0  # left, most superior, in the middle coronal slice
    image = sheet(volume)
    assert image[0, 0] == 0.5 and image[5, 0] == 1.0
    assert np.count_nonzero(image) == 2


def test_tensorboard_that_is_not_installed_is_one_sentence(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(UserError, match=r"launch\.tensorboard is on, but TensorBoard is not installed"):
        train(ToyStage(), training(), 1, tmp_path, {}, Launch(tensorboard=True))
