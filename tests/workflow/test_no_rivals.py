"""`baselines: false`: the rivals of the paper are neither trained nor asked for, and tables say why they are absent."""

import json
import shutil

import pytest
from chain import SMOKE, Workflow

from ldae.core.files import read_tsv

RIVALS = ("pack_volumes_dae", "train_dae", "train_supervised_ad", "train_supervised_age", "encode_baselines")
REASON = "this baseline was not trained here"


def without(workflow: Workflow) -> tuple[str, ...]:
    (workflow.folder / "mine.json").write_text(json.dumps({"baselines": False}))
    return (*SMOKE, "mine.json")


def test_no_rule_of_a_rival_is_planned(workflow):
    everything, rest = workflow.planned(*SMOKE), workflow.planned(*without(workflow))
    assert set(everything) - set(rest) == set(RIVALS) and set(rest) < set(everything)
    assert not set(workflow.planned("train", *without(workflow))) & set(RIVALS)


@pytest.mark.slow
def test_a_run_without_rivals_ends_in_a_report_that_says_so(smoke, tmp_path):
    folder = tmp_path / "run"
    shutil.copytree(smoke.folder, folder, symlinks=True)
    shutil.rmtree(folder / "results/smoke/train/dae")  # nothing reads it
    result = (workflow := Workflow(folder)).run(*without(Workflow(folder)))
    assert result.returncode == 0, result.stdout + result.stderr
    evaluate, paper = folder / "results/smoke/evaluate", folder / "results/smoke/paper"
    for study in ("probes", "reconstruction"):
        table = read_tsv(evaluate / study / "summary.tsv")
        rivals = table[table["method"].str.startswith(("dae", "supervised"))]
        assert len(rivals) and rivals["value"].isna().all() and rivals["note"].str.startswith(REASON).all()
    confounds = read_tsv(evaluate / "probe_checks/confounds.tsv")
    assert {"ldae", "untrained_encoder"} <= set(confounds["method"]) and "dae" not in set(confounds["method"])
    report = (paper / "report.html").read_text(encoding="utf-8")
    assert "they were not trained (<code>baselines: false</code>)" in report and REASON in report
    assert "supervised_ad" not in (paper / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert (folder / "results/smoke/public/report.html").is_file()
    assert workflow.planned(*without(workflow)) == {}
