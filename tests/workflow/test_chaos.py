"""`make chaos`, its faults of finished results: the documented commands alone bring every byte back."""

import random
import shutil
from pathlib import Path

import chaos
import pytest
from chain import Workflow
from compare_results import differences

NAMES = ["flipped_table", "truncated_table", "deleted_deliverables", "times_reversed", "read_only", "moved_folder"]


@pytest.mark.slow
def test_faults_of_finished_results_cost_nothing(smoke: Workflow, tmp_path: Path) -> None:
    work = chaos.Copy(tmp_path / "work")
    shutil.copytree(smoke.folder, work.folder, symlinks=True)
    undisturbed, outcome = chaos.Copy(smoke.folder), chaos.Outcome()

    chaos.flipped_table(work, random.Random(5))
    assert len(list(differences(undisturbed.results, work.results))) == 1  # what is harmed is seen
    assert work.repair() and work.recover()

    chaos.harm_the_results(work, NAMES, random.Random(5), outcome, undisturbed)
    assert outcome.injected == NAMES, outcome.not_injected
    assert not outcome.failed and not outcome.lost, work.folder.with_suffix(".log").read_text()[-3000:]
    assert not (tmp_path / "work").exists() and work.folder == tmp_path / "work-moved"
