"""A run as one watches it: stages, what is at work, how long the rest will take."""

import io
import re
from collections import Counter
from pathlib import Path

import pytest
from rich.console import Console

from ldae.cli import main, parse
from ldae.commands.run import snakemake
from ldae.core.errors import UserError
from ldae.report.run_progress import STAGES, Watched, expected_seconds, seconds_left, stages_of
from ldae.report.run_status import Run

ROOT = Path(__file__).parents[3]
RUN = Run(
    "snakemake",
    started=1000.0,
    left=Counter(train_dae=1, table_probes=2),
    planned=Counter(register_mni=4, train_dae=1, table_probes=2, all=1),
)
STAGE_OF = {"register_mni": "preprocess", "train_dae": "baselines", "table_probes": "figures"}


def test_every_rule_has_a_stage():
    stages = stages_of(ROOT / "rules")
    adapters = {path.stem for path in (ROOT / "workflow/scripts").glob("*.py")}
    assert adapters - set(stages) == set()
    assert set(stages.values()) == set(STAGES)
    assert (stages["make_phantom"], stages["register_mni"], stages["encode_codes"]) == ("ingest", "preprocess", "train")
    assert (stages["fit_probes"], stages["table_probes"], stages["bundle_public"]) == ("evaluate", "figures", "report")


def test_what_is_left_is_scaled_by_how_this_run_compares_with_the_earlier_one():
    expected = {"register_mni": 10.0, "train_dae": 30.0, "table_probes": 5.0, "all": 0.0}
    # 40 of 80 seconds of work are done, in 100 seconds: the other 40 take 100 more
    assert seconds_left(RUN, 100.0, expected) == pytest.approx(100.0)
    assert seconds_left(RUN, 50.0, expected) == pytest.approx(50.0)


def test_nothing_is_foretold_of_what_nobody_has_timed_or_before_anything_is_done():
    assert seconds_left(RUN, 100.0, {}) is None
    assert seconds_left(RUN, 100.0, {"register_mni": 10.0}) is None  # nothing is known of what is left
    fresh = Run("snakemake", 0.0, left=Counter(train_dae=1), planned=Counter(train_dae=1))
    assert seconds_left(fresh, 100.0, {"train_dae": 30.0}) is None


def test_rows_and_the_time_left(tmp_path):
    log = tmp_path / "logs/train_dae.log"
    log.parent.mkdir()
    log.write_text("dae step 3/9  loss 0.1\n")
    expected = {"register_mni": 10.0, "train_dae": 30.0, "table_probes": 5.0, "all": 0.0}
    watched = Watched(RUN, tmp_path, STAGE_OF, expected)
    assert watched.counts() == {"preprocess": (4, 4), "baselines": (0, 1), "figures": (0, 2)}
    assert watched.at_work() == [("train_dae", "dae step 3/9  loss 0.1")]
    console = Console(file=io.StringIO(), width=80)
    console.print(watched.picture(now=1100.0))
    lines = console.file.getvalue().splitlines()
    assert re.match(r"preprocess +\S+ +4 of 4", lines[0])
    assert lines[-2:] == ["1:40 so far, about 1:40 left", "train_dae: dae step 3/9  loss 0.1"]


def test_seconds_of_this_folder_go_before_those_of_another_run(tmp_path):
    times = tmp_path / "times.tsv"
    times.write_text("rule\tjobs\tseconds\nregister_mni\t2\t30\ntrain_dae\t1\t40\n")
    (tmp_path / "benchmarks").mkdir()
    (tmp_path / "benchmarks/train_dae.tsv").write_text("s\n7.5\n")
    assert expected_seconds(tmp_path, times) == {"register_mni": 15.0, "train_dae": 7.5}
    times.write_text("rule\tseconds\nregister_mni\t2\n")
    with pytest.raises(UserError, match=r"times\.tsv lacks jobs: write it with `ldae summary RESULTS"):
        expected_seconds(tmp_path, times)


def test_the_shipped_seconds_of_the_demo_name_rules_of_the_workflow():
    shipped = expected_seconds(ROOT / "nowhere", ROOT / "config/demo_seconds.tsv")
    assert set(shipped) <= set(stages_of(ROOT / "rules"))
    assert {"train_autoencoder", "register_mni", "report_html"} <= set(shipped)


def test_summary_writes_what_run_reads(tmp_path, capsys):
    (tmp_path / "paper").mkdir()
    (tmp_path / "paper/headline.json").write_text("{}")
    (tmp_path / "benchmarks/register_mni").mkdir(parents=True)
    for shard, seconds in enumerate((2.0, 4.0)):
        (tmp_path / f"benchmarks/register_mni/{shard}.tsv").write_text(f"s\n{seconds}\n")
    assert main(["summary", str(tmp_path), "--times", str(tmp_path / "times.tsv")]) == 0
    assert expected_seconds(tmp_path / "nowhere", tmp_path / "times.tsv") == {"register_mni": 3.0}


def test_targets_stand_before_the_configurations_and_flags_behind_them():
    options = parse(["run", "train_dae", "--config", "a.yaml", "b.yaml", "--", "--cores", "8"])
    assert (options.targets, options.flags) == (["train_dae"], ["--cores", "8"])
    command = snakemake(options.targets, options.config, options.profile, options.flags)
    assert command == [
        *("snakemake", "train_dae", "--profile", "profiles/local"),
        *("--configfile", "a.yaml", "b.yaml", "--cores", "8"),
    ]


def test_mistakes_are_one_sentence(monkeypatch, tmp_path, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["run"]) == 1
    monkeypatch.chdir(ROOT)
    assert main(["run", "--config", "config/demo.yaml", "train_dae"]) == 1
    assert main(["run", "--config", "config/nowhere.yaml"]) == 1
    assert main(["status", "~/results"]) == 1
    first, second, third, home = capsys.readouterr().err.splitlines()
    assert (
        home == "ldae: results ~/results begins with ~, which only a shell replaces: write the whole path, from / on."
    )
    assert first.startswith("ldae: config/config.yaml is not here: call `ldae run` in the folder")
    assert second == "ldae: train_dae is a target, not a configuration: targets stand before --config."
    assert "config/nowhere.yaml" in third
