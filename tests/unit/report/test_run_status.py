"""`ldae status`: what a results folder and Snakemake's log say of a run."""

import os
from pathlib import Path

import pandas as pd
import pytest

from ldae.cli import main
from ldae.core.duration import duration
from ldae.core.errors import UserError
from ldae.core.files import write_tsv
from ldae.report.run_status import newest_run, status_lines

STARTED = "2026-03-01T120000.000000"  # local time, as Snakemake names its logs
LOG = """
  Command: snakemake --profile profiles/local --configfile mine.yaml
Job stats:
job              count
-------------  -------
train_dae            1
register_mni         2
fit_probes           1
all                  1
total                5

Execute 2 jobs...
[Sun Mar  1 12:00:10 2026]
Finished jobid: 3 (Rule: register_mni)
1 of 5 steps (20%) done
Error in rule fit_probes:
    jobid: 4
CalledProcessError in file "rules/x.smk", line 3:
Command '/x/.snakemake/scripts/tmpabc_1.fit_probes.py' returned non-zero exit status 1.
"""


@pytest.fixture
def run(tmp_path) -> Path:
    """A folder in which one shard is registered, a training is at work and a rule has failed."""
    log = tmp_path / f".snakemake/log/{STARTED}.snakemake.log"
    log.parent.mkdir(parents=True)
    log.write_text(LOG)
    (log.parent / "2026-03-02T120000.000000.snakemake.log").write_text(LOG.replace("Execute", "Would execute"))
    start = newest_run(tmp_path).started
    said = {
        "register_mni/0": ("12 scans\n", 5),
        "train_dae": (
            "dae step 1/9  loss 1  2 scans/s  0:30 left\ndae step 2/9  loss 0.5  2 scans/s  0:20 left\n\n",
            9,
        ),
        "fit_probes": ("Traceback\nError: No scan of the test split is in scans.tsv.\n", 8),
        "table_probes": ("of an earlier run\n", -500),
    }
    for name, (text, seconds) in said.items():
        path = tmp_path / f"results/logs/{name}.log"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        os.utime(path, (start + seconds, start + seconds))
    benchmark = tmp_path / "results/benchmarks/register_mni/0.tsv"
    write_tsv(benchmark, pd.DataFrame({"s": [65.0]}))
    os.utime(benchmark, (start + 10, start + 10))
    return tmp_path


def test_the_log_tells_what_is_done_left_and_failed(run):
    found = newest_run(run)
    assert (found.done, found.steps, found.failed) == (1, 5, {"fit_probes"})
    assert found.left == {"train_dae": 1, "register_mni": 1, "fit_probes": 1, "all": 1}
    assert found.command == "snakemake --profile profiles/local --configfile mine.yaml"


def test_while_it_runs(run):
    first, done, *jobs, left = status_lines(run / "results", run, alive=True)
    assert first == "run: is at work, 1 of 5 steps done: snakemake --profile profiles/local --configfile mine.yaml"
    assert done == "done: 1 jobs, 1:05 of work; longest: register_mni 1:05"
    failed, training = jobs
    assert failed.startswith(f"not finished: fit_probes ({run / 'results/logs/fit_probes.log'}), last word ")
    assert failed.endswith("ago: Error: No scan of the test split is in scans.tsv.")
    assert training.startswith("at work: train_dae, last word ")
    assert training.endswith("ago: dae step 2/9  loss 0.5  2 scans/s  0:20 left")
    assert left == "left: 4 jobs, those at work included: train_dae, register_mni, fit_probes, all"


def test_after_its_end_nothing_is_at_work(run):
    lines = list(status_lines(run / "results", run, alive=False))
    assert lines[0].startswith("run: has ended, 1 of 5 steps done")
    assert sum(line.startswith("not finished: ") for line in lines) == 3
    assert not any(line.startswith("at work: ") for line in lines)


def test_a_job_that_was_done_again_and_failed_is_not_finished(run):
    log = run / "results/logs/register_mni/0.log"
    os.utime(log, None)
    assert any("not finished: register_mni/0" in line for line in status_lines(run / "results", run, alive=False))


def test_of_several_shards_of_a_rule_that_failed_nobody_knows_which(run):
    for shard in (1, 2):
        (run / f"results/logs/register_mni/{shard}.log").write_text("a scan\n")
    log = next((run / ".snakemake/log").glob("*.snakemake.log"))
    log.write_text(log.read_text() + "Error in rule register_mni:\n")
    lines = list(status_lines(run / "results", run, alive=True))
    assert [line.split(" (")[0] for line in lines if "register_mni/" in line] == [
        "at work, or failed: register_mni/1",
        "at work, or failed: register_mni/2",
    ]


def test_a_newer_run_of_other_results_is_not_told_as_this_one(run):
    (run / "mine.yaml").write_text("results_dir: results\n")
    assert next(status_lines(run / "results", run, alive=True)).startswith("run: is at work, 1 of 5 steps")
    (run / "mine.yaml").write_text("results_dir: results/other\n")
    first, *rest = status_lines(run / "results", run, alive=True)
    assert first.startswith(f"run: the newest one writes to another folder, {run / 'results/other'}: ")
    assert not any(line.startswith(("left:", "at work:")) for line in rest)


def test_a_folder_without_a_run(tmp_path):
    with pytest.raises(UserError, match=r"holds no logs: give the results_dir of a run"):
        list(status_lines(tmp_path, tmp_path, alive=False))
    (tmp_path / "results/mine/logs").mkdir(parents=True)
    with pytest.raises(UserError, match=r"results/mien does not exist; did you mean .*results/mine\?$"):
        list(status_lines(tmp_path / "results/mien", tmp_path, alive=False))
    with pytest.raises(UserError, match=r"nowhere/mine does not exist: give the results_dir of a run"):
        list(status_lines(tmp_path / "nowhere/mine", tmp_path, alive=False))
    assert newest_run(tmp_path) is None


def test_the_exit_status_says_whether_something_failed(run, capsys):
    assert main(["status", str(run / "results"), "--folder", str(run)]) == 1
    assert "not finished: fit_probes" in capsys.readouterr().out


@pytest.mark.parametrize(("seconds", "said"), [(0, "0:00"), (59.6, "1:00"), (3600 + 61, "1:01:01")])
def test_a_duration_in_words(seconds, said):
    assert duration(seconds) == said
