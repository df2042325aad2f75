"""The flow chart's boxes, and the training curves' input."""

from pathlib import Path

import pandas as pd
import pytest

from ldae.core.errors import UserError
from ldae.studies.cohort.flow_chart import MAX_REASONS, read_boxes
from ldae.studies.training_curves.figure import read_metrics


def test_exclusions_stand_between_the_stage_they_left_and_the_next() -> None:
    rows = [
        ("images", 20, None),
        ("images", 3, "broken"),
        ("images", 0, "never"),
        ("scans", 17, ""),
        ("cohort", 17, ""),
    ]
    boxes = read_boxes(pd.DataFrame(rows, columns=["stage", "count", "reason"]))
    assert [(box.stage, box.count) for box in boxes] == [("images", 20), ("scans", 17), ("cohort", 17)]
    assert boxes[0].lines() == ["3  broken"]
    assert boxes[1].lines() == []


def test_rare_reasons_are_summed_and_no_scan_is_lost() -> None:
    reasons = [("images", 10 - place, f"reason {place}") for place in range(8)]
    boxes = read_boxes(pd.DataFrame([("images", 100, ""), *reasons], columns=["stage", "count", "reason"]))
    lines = boxes[0].lines()
    assert len(lines) == MAX_REASONS + 1
    assert sum(int(line.split()[0]) for line in lines) == sum(count for _, count, _ in reasons)
    assert lines[-1].endswith("3 other reasons")


def test_one_rare_reason_is_named() -> None:
    reasons = [("images", 10 - place, f"reason {place}") for place in range(MAX_REASONS + 1)]
    boxes = read_boxes(pd.DataFrame([("images", 100, ""), *reasons], columns=["stage", "count", "reason"]))
    assert boxes[0].lines()[-1].endswith(f"reason {MAX_REASONS}")


def test_a_broken_metrics_line_is_named(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_text('{"step": 1, "loss": 0.5}\n{"loss": 0.4}\n')
    with pytest.raises(UserError, match="Line 2 of"):
        read_metrics(path)
