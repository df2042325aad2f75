"""The whole chain on six subjects: every file is there, nothing is empty, re-runs do exactly what changed."""

import json
import math
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from chain import ROOT, SMOKE

from ldae.cli import main
from ldae.report.few_subjects import redraw_training, redrawn, reduce_tables, withhold
from ldae.report.glossary import METHODS, explain
from ldae.report.outputs import unexplained
from ldae.report.public import KINDS
from ldae.report.run_status import status_lines
from ldae.studies.registry import STUDIES as RECORDS

HEADLINE = [
    "mean_volume_ssim_w11_brain",
    "ae_ssim_w11_brain",
    "ae_ventricle_r",
    "ldae_encoded_ssim_w11_brain",
    "ldae_noise_ssim_w11_brain",
    "ldae_shuffled_y_ssim_w11_brain",
    "auc_ad_cv",
    "oracle_auc_ad_cv",
    "untrained_encoder_auc_ad_cv",
    "pca_voxels_auc_ad_cv",
    "auc_ad_test",
    "auc_ad_cv_minus_untrained",
    "auc_ad_cv_oracle_minus_ours",
    "age_mae_cv_minus_mean_predictor",
    "age_mae_cv",
    "age_mae_cv_mean_predictor",
    "ventricle_ml_change_plus_ad",
    "ventricle_ml_change_minus_ad",
    "interpolation_ssim_ldae",
    "interpolation_ssim_copy_nearest",
    "interpolation_ssim_voxel_lerp",
]


def test_second_run_has_nothing_to_do(smoke):
    assert smoke.planned(*SMOKE) == {}


def test_every_file_and_column_is_explained_in_docs_outputs(smoke):
    assert list(unexplained(smoke.folder / "results/smoke")) == []


def test_every_metric_is_explained_in_docs_metrics(smoke):
    tables = [
        pd.read_csv(path, sep="\t", keep_default_na=False)
        for path in (smoke.folder / "results/smoke/evaluate").rglob("*.tsv")
    ]
    found = {metric for table in tables for metric in table.get("metric", ())}
    assert len(found) > 60 and sorted(name for name in found if explain(name) is None) == []
    methods = {
        part for table in tables if "metric" in table for name in table.get("method", ()) for part in name.split("-")
    }
    assert len(methods) > 20 and methods <= {name for known in METHODS.values() for name in known}


def test_status_says_that_nothing_is_left(smoke):
    lines = list(status_lines(smoke.folder / "results/smoke", smoke.folder, alive=False))
    assert not [line for line in lines if line.startswith(("not finished", "at work"))]
    assert lines[1].startswith("done: ") and int(lines[1].split()[1]) > 50
    assert lines[-1].startswith("left: nothing; the report is ")
    assert main(["status", str(smoke.folder / "results/smoke"), "--folder", str(smoke.folder)]) == 0


def test_report_is_self_contained(smoke):
    page = (smoke.folder / "results/smoke/paper/report.html").read_text()
    assert "<img" in page or "<svg" in page
    assert 'src="http' not in page and 'href="http' not in page


def test_headline_numbers_are_finite_or_give_a_reason(smoke):
    headline = json.loads((smoke.folder / "results/smoke/paper/headline.json").read_text())
    assert headline["data"] == "phantom" and headline["config_digest"]
    for name in HEADLINE:
        item = headline[name]
        if item["value"] is None:
            assert item["reason"]
        else:
            assert math.isfinite(item["value"]) and item["n_subjects"] >= 1


def test_every_table_has_rows_and_no_silent_gap(smoke):
    tables = sorted((smoke.folder / "results/smoke").rglob("*.tsv"))
    assert len(tables) > 30
    for path in tables:
        assert path.stat().st_size > 0, path
    for path in sorted((smoke.folder / "results/smoke/evaluate").glob("*/summary.tsv")):
        summary = pd.read_csv(path, sep="\t", keep_default_na=False)
        assert len(summary), path
        for _, row in summary.iterrows():
            assert row["value"] != "n/a" or row["note"] not in ("n/a", ""), (path, row.to_dict())


WITHOUT_SUBJECTS = {"audit", "arena_codes", "figure_1_method", "figure_2_encoder"}  # and the settings
NOT_OF_SUBJECTS = {  # columns of public tables whose numbers are of nobody here
    "protocol", "metric", "classes", "solver", "steps", "fraction", "kind", "method", "rival", "values_in_code", "note",
    "n_training_seeds", "n_train_subjects", "n_draws", "n_draws_used", "paper_subjects", "paper_scans",
}  # fmt: skip


def test_of_six_people_no_number_would_leave(smoke, tmp_path):
    """Every public table and figure: a column that nobody counts, and that is not listed above, fails here."""
    folders = {kind: shutil.copytree(smoke.folder / f"results/smoke/public/{kind}", tmp_path / kind) for kind in KINDS}
    reduce_tables(folders["tables"], 10, {})
    redraw_training(folders["figures"], tmp_path / "drawn", 10, {})
    withhold(folders["figures"], 10, {})
    found = set()
    for path in [path for folder in folders.values() for path in folder.glob("*.tsv")]:
        if path.stem in {*WITHOUT_SUBJECTS, *redrawn()} or path.stem.startswith("settings_"):
            continue
        table = pd.read_csv(path, sep="\t", dtype=str, keep_default_na=False)
        shown = [name for name in table if not (name in NOT_OF_SUBJECTS or str(name).endswith("_published"))]
        left = {(name, cell) for name in shown for cell in table[name] if re.search(r"\d", cell)}
        assert {cell for _, cell in left} <= {"<10", "0"}, (path.name, left)
        found.add(path.stem)
    assert {"cohort", "probes", "samples", "solvers", "interpolation", "manipulation", "arena"} <= found
    assert "figure_training" not in found


def test_broken_scan_is_quarantined_with_its_reason(smoke):
    results = smoke.folder / "results/smoke"
    broken = json.loads((results / "raw/phantom.json").read_text())["broken_images"]
    exclusions = pd.read_csv(results / "manifest/exclusions.tsv", sep="\t")
    assert len(broken) == 1 and len(exclusions) == 1
    assert exclusions["reason"].str.len().min() > 20
    scans = pd.read_csv(results / "manifest/scans.tsv", sep="\t")
    assert (scans["status"] == "included").sum() == 17


def test_the_phantoms_bids_tree_enters_as_any_dataset(smoke, tmp_path):
    """docs/other-cohorts.md: the worked example gives the rows that the conversion gave, byte for byte."""
    splits = {"test_fraction": 0.5, "validation_fraction": 0.05, "min_test_subjects_per_class": 1}
    example = {"bids": {"path": "results/smoke/bids"}, "splits": splits}
    (tmp_path / "here.json").write_text(json.dumps(example))
    overlays = ("config/small_networks.yaml", "config/bids_example.yaml", str(tmp_path / "here.json"))
    result = smoke.run("ingest", "--configfile", *overlays)
    assert result.returncode == 0, result.stderr
    ours, theirs = (smoke.folder / f"results/{name}/manifest" for name in ("smoke", "bids_example"))
    rows = (ours / "scans.tsv").read_text().splitlines()
    converted = [row for row in rows if "\texcluded\t" not in row]
    assert (theirs / "scans.tsv").read_text().splitlines() == converted and len(converted) == 18
    assert (theirs / "splits.tsv").read_bytes() == (ours / "splits.tsv").read_bytes()


@pytest.mark.parametrize(
    ("key", "first", "untouched"),
    [
        ("preprocessing.registration", "register_mni", {"extract_brain", "correct_bias_field", "convert_adni_to_bids"}),
        ("diffusion.training", "train_diffusion", {"train_autoencoder", "encode_latents", "pack_volumes"}),
        ("representation.training", "train_representation", {"train_diffusion", "train_autoencoder"}),
    ],
)
@pytest.mark.parametrize("profile", ["profiles/local", "profiles/slurm"])
def test_bumped_revision_plans_that_rule_and_what_follows(smoke, tmp_path, key, first, untouched, profile):
    overlay = {"revision": 2}
    for part in reversed(key.split(".")):
        overlay = {part: overlay}
    overlay |= {"launch": {"device": "cpu"}}  # the list below replaces the profile's, GPUs included
    (tmp_path / "bump.json").write_text(json.dumps(overlay))
    one_gpu = [f"{stage}:gpu=1" for stage in ("train_diffusion", "train_representation")]
    planned = smoke.planned(*SMOKE, str(tmp_path / "bump.json"), "--set-resources", *one_gpu, profile=profile)
    assert first in planned and "report_html" in planned
    assert not untouched & set(planned)
    assert "make_splits" not in planned and "make_phantom" not in planned


def rules_of(*names: str) -> set[str]:
    """Names of the rules in some rule files."""
    texts = [(ROOT / "rules" / f"{name}.smk").read_text() for name in names]
    return {rule for text in texts for rule in re.findall(r"^ *rule (\w+):", text, flags=re.MULTILINE)}


STUDIES = [study.name for study in RECORDS]
TRAININGS = {rule for rule in rules_of("train") if rule.startswith("train_")}


@pytest.mark.parametrize("stage", ["autoencoder", "representation", "dae", "supervised_ad"])
def test_a_model_that_was_put_aside_is_trained_again(smoke, stage):
    """Although nothing that rests on it is missing."""
    folder = smoke.folder / "results/smoke/train" / stage
    assert main(["fresh", str(folder)]) == 0
    try:
        planned = [smoke.planned(*SMOKE), smoke.planned("train", *SMOKE)]
    finally:
        folder.with_name(f"{stage}.aside-1").rename(folder)
    assert all(plan[f"train_{stage}"] == 1 for plan in planned) and planned[0]["report_html"] == 1


def test_bf16_is_held_against_float32_metric_by_metric(smoke, capsys, monkeypatch):
    """Every study that decodes has its lines, one study at least does not survive, and the run stays as it is."""
    monkeypatch.chdir(smoke.folder)
    before = contents(smoke.folder / "results/smoke")
    files = [str(ROOT / name) for name in ("config/config.yaml", *SMOKE[1:])]
    assert main(["check-precision", "--config", *files, "--subjects", "1"]) == 1
    page = capsys.readouterr().out
    studies = ("reconstruction", "solvers", "interpolation", "manipulation", "samples", "variation", "probes")
    assert all(re.search(rf"^{study} .* \d", page, flags=re.MULTILINE) for study in studies)
    assert "must stay in float32" in page
    assert contents(smoke.folder / "results/smoke") == before


def test_touched_files_plan_no_training(smoke):
    """Raw tree, study tables, and the small files that the trainings depend on: newer, with the same content."""
    results = smoke.folder / "results/smoke"
    for path in [*(results / "raw").rglob("*"), *results.glob("manifest/*.tsv"), *results.glob("store/*/store.json")]:
        os.utime(path)
    assert len(TRAININGS) >= 3
    assert not TRAININGS & set(smoke.planned(*SMOKE))


def test_a_changed_split_row_plans_every_training(smoke):
    splits = smoke.folder / "results/smoke/manifest/splits.tsv"
    content = splits.read_text()
    subject, split, *rest = next(row for row in content.splitlines()[1:] if "\ttrain" in row).split("\t")
    row = "\t".join([subject, split, *rest])
    try:
        splits.write_text(content.replace(row, row.replace("train", "test")))
        assert set(smoke.planned(*SMOKE)) >= TRAININGS
    finally:
        splits.write_text(content)
    assert not TRAININGS & set(smoke.planned(*SMOKE))


@pytest.mark.slow
def test_figures_rebuild_the_paper_bit_by_bit_without_training(smoke, tmp_path):
    """`snakemake figures` after the paper's folder was lost."""
    paper = smoke.folder / "results/smoke/paper"
    shutil.move(paper, tmp_path / "paper")
    try:
        planned = set(smoke.planned("figures", *SMOKE))
        drawn = {rule for rule in rules_of(*STUDIES) if rule.startswith(("table_", "figure_"))}
        assert planned <= drawn | rules_of("report", "audit") | {"figures"}
        assert len(planned) > 20
        result = smoke.run("figures", *SMOKE)
        assert result.returncode == 0, result.stdout + result.stderr
        assert contents(paper) == contents(tmp_path / "paper")
    finally:
        shutil.rmtree(paper, ignore_errors=True)
        shutil.move(tmp_path / "paper", paper)
    assert smoke.planned(*SMOKE) == {}


def contents(folder):
    """Relative path -> bytes of every file that holds no measured time."""
    files = [path for path in folder.rglob("*") if path.is_file() and "timings" not in path.parts]
    assert len(files) > 60
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def test_a_changed_truth_plans_evaluations_and_no_training(smoke):
    truth = smoke.folder / "results/smoke/raw/truth.tsv"
    content, times = truth.read_text(), truth.stat()
    try:
        truth.write_text(content + "\n")
        planned = smoke.planned(*SMOKE)
        assert {"eval_reconstruction", "fit_probes"} <= set(planned)
        assert not {"train_autoencoder", "train_diffusion", "train_representation", "encode_codes"} & set(planned)
    finally:
        truth.write_text(content)
        os.utime(truth, ns=(times.st_atime_ns, times.st_mtime_ns))


def test_the_model_applied_to_raw_dicom_says_what_the_workflow_says(smoke, tmp_path):
    """`ldae apply` of the exported folder: y_sem bit for bit, probability and age to the last digit of the tables."""
    results = smoke.folder / "results/smoke"
    program = Path(sys.executable).parent / "ldae"

    def ldae(*arguments: object) -> None:
        result = subprocess.run([program, *map(str, arguments)], capture_output=True, text=True)
        assert result.returncode == 0, result.stdout + result.stderr

    ldae("export-model", results, tmp_path / "model", "--i-know")
    ldae("verify-model", tmp_path / "model")
    scans = pd.read_csv(results / "manifest/scans.tsv", sep="\t", dtype=str)
    packed = pd.read_csv(results / "store/volumes/index.tsv", sep="\t", dtype=str)
    splits = pd.read_csv(results / "manifest/splits.tsv", sep="\t").set_index("participant_id")["split"]
    tested = packed[packed["participant_id"].map(splits) == "test"].iloc[0]
    keys = ["participant_id", "session_id"]
    image = scans.loc[(scans[keys] == tested[keys]).all(axis=1), "image_id"].item()
    series = next((results / "raw/ADNI").rglob(f"I{image}"))
    ldae("apply", tmp_path / "model", series, "--out", tmp_path / "out", "--codes-only")
    codes = pd.read_csv(results / "store/codes/codes.tsv", sep="\t", dtype=str)
    own = codes[(codes[keys] == tested[keys]).all(axis=1)].drop(columns=keys)
    applied = pd.read_csv(tmp_path / "out/codes.tsv", sep="\t", dtype=str).drop(columns=keys)
    assert applied.iloc[0].to_dict() == own.iloc[0].to_dict()
    said = pd.read_csv(tmp_path / "out/predictions.tsv", sep="\t", dtype=str).iloc[0]
    table = pd.read_csv(results / "evaluate/probes/predictions.tsv", sep="\t", dtype=str)
    table = table[(table["protocol"] == "test") & (table["features"] == "ldae")]
    table = table[(table[keys] == tested[keys]).all(axis=1)].set_index("task")
    assert said["age"] == table.loc["age", "prediction"]
    assert "ad" not in table.index or said["probability_ad"] == table.loc["ad", "probability"]
