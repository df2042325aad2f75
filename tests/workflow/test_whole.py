"""Deleted, emptied, damaged and copied results of the smoke run: the same command, or one sentence that says which."""

import os
import shutil
import time
from pathlib import Path

import pytest
from chain import SMOKE

from ldae.cli import main


@pytest.fixture
def results(smoke) -> Path:
    return smoke.folder / "results/smoke"


@pytest.mark.parametrize(
    ("path", "rule"),
    [
        ("paper/headline.json", "assemble_headline"),
        ("paper/MODEL_CARD.md", "model_card"),
        ("paper/tables/probes.tsv", "table_probes"),
        ("paper/tables/probes.md", "table_probes"),
        ("paper/figures/figure_probes.tsv", "figure_probes"),
        ("public/MODEL_CARD.md", "bundle_public"),
        ("public/tables/probes.md", "bundle_public"),
        ("evaluate/probes/summary.tsv", "fit_probes"),
        ("evaluate/manipulation/examples/data.npy", "eval_manipulation"),
        ("manifest/splits.tsv", "make_splits"),
        ("model/probes.json", "describe_model"),
        ("train/autoencoder/metrics.jsonl", "train_autoencoder"),
        ("store/codes/y_sem/data.npy", "encode_codes"),
        ("store/volumes/index.tsv", "pack_volumes"),
        ("store/latents/store.json", None),  # stores may be deleted to save space, but not half of one
    ],
)
def test_whatever_is_deleted_or_emptied_is_made_again_by_the_same_command(smoke, results, tmp_path, path, rule):
    """The plan alone; what two of these make is compared below."""
    kept = results / path
    shutil.move(kept, tmp_path / "kept")
    try:
        if rule is None:
            assert smoke.planned(*SMOKE) == {}
            return
        assert smoke.planned(*SMOKE)[rule] == 1
        if kept.suffix in (".json", ".tsv", ".md"):
            kept.touch()
            assert smoke.planned(*SMOKE)[rule] == 1
    finally:
        shutil.move(tmp_path / "kept", kept)
    assert smoke.planned(*SMOKE) == {}


def test_what_was_deleted_and_emptied_comes_back_byte_for_byte(smoke, results):
    gone = [results / name for name in ("paper/tables/cohort.tex", "public/MODEL_CARD.md", "paper/tables/probes.tsv")]
    emptied = results / "paper/headline.json"
    before = {path: path.read_bytes() for path in [*gone, emptied]}
    for path in gone:
        path.unlink()
    emptied.write_bytes(b"")
    result = smoke.run(*SMOKE)
    assert result.returncode == 0, result.stdout + result.stderr
    assert f"Note: {emptied.relative_to(smoke.folder)} is empty; it is made again" in result.stderr
    assert {path: path.read_bytes() for path in before} == before
    assert smoke.planned(*SMOKE) == {} and main(["verify", str(results)]) == 0


def test_times_in_reverse_order_plan_nothing(smoke, results):
    """As a backup may restore them: what was made last is the oldest."""
    files = sorted((path for path in results.rglob("*") if path.is_file()), key=lambda path: path.stat().st_mtime)
    now = time.time()
    for place, path in enumerate(files):
        os.utime(path, (now - place, now - place))
    assert smoke.planned(*SMOKE) == {}


def test_a_cut_off_table_goes_into_no_report_and_verify_says_what_to_do(smoke, results, capsys):
    path = results / "evaluate/probes/summary.tsv"
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    try:
        result = smoke.run(*SMOKE)
        assert result.returncode != 0
        log = (results / "logs/figure_probes.log").read_text()
        assert log.startswith(f"Error: {path.relative_to(smoke.folder)} is not what fit_probes wrote there")
        assert "--forcerun fit_probes" in log and "Traceback" not in log
        assert main(["verify", str(results), "--repair", "--config", *SMOKE[1:]]) == 1
        said = capsys.readouterr().out.splitlines()
        assert "changed: evaluate/probes/summary.tsv (written by fit_probes)" in said
        command = said[-1].split()
        assert command[:3] == ["snakemake", "--profile", "profiles/local"] and "fit_probes" in command
    finally:
        path.write_bytes(whole)
    result = smoke.run(*SMOKE)
    assert result.returncode == 0, result.stdout + result.stderr
    assert main(["verify", str(results)]) == 0


def test_the_whole_folder_is_verified_after_it_was_copied(results, tmp_path, capsys):
    parts = ("checksums", "manifest", "store", "train", "evaluate", "paper", "public", "model", "status")
    for part in parts:
        shutil.copytree(results / part, tmp_path / "copy" / part)
    main(["verify", str(tmp_path / "copy")])
    said = capsys.readouterr().out
    assert "changed" not in said
    assert {line.split()[1].split("/")[0] for line in said.splitlines() if line.startswith("missing")} <= {
        "raw", "bids", "derivatives", "qc",
    }  # fmt: skip
