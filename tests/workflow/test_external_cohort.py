"""A second cohort on a frozen model: what is planned, and the whole chain on another scanner and prevalence."""

import hashlib
import json
import shutil
from pathlib import Path

import pytest
from chain import ROOT, SMOKE, Workflow

from ldae.config import load_config
from ldae.core.files import read_json, read_tsv, write_json
from ldae.core.model_places import STAGES

DEMO = [ROOT / "config" / f"{name}.yaml" for name in ("config", "small_networks", "demo")]
OTHER = {  # one AD, three CN: half the prevalence of the smoke cohort; grey matter darker, twice the noise
    "phantom": {
        "subjects": {"CN": 3, "MCI": 1, "AD": 1},
        "visits": 3,
        "scanner": {"contrast": -0.05, "noise": 2, "bias": 1.5},
    },
    "seed": 7,
    "evaluation": {"bootstrap": 100},
}


def digests(folder: Path) -> dict[str, str]:
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def fabricated(folder: Path) -> Path:
    """A model of the small networks as far as planning looks at it."""
    values = load_config(*DEMO).section()
    recipe = {"format": 1, "version": "0", "phantom": True, "source": "adni", "template_sha256": "0" * 64}
    recipe |= {"method": values["method"], "preprocessing": values["preprocessing"]}
    recipe |= {"sampling": values["evaluation"]["sampling"], "stages": dict.fromkeys(STAGES, "abc")}
    write_json(folder / "config.json", recipe)
    for name in ("probes.json", "reference.json", "reference.safetensors"):
        write_json(folder / name, {})
    for stage in STAGES:
        write_json(folder / stage / "model.json", {"settings": values[stage]})
        (folder / stage / "model.safetensors").write_bytes(b"")
    return folder


def sources(folder: Path) -> dict[str, dict]:
    """A cohort of every source, as far as planning looks at it."""
    for name in ("ADNI/002_S_0295", "clinical", "bids/sub-01/anat", "oasis/OAS30001_MR_d0129", "tables"):
        (folder / "data" / name).mkdir(parents=True)
    (folder / "data/bids/dataset_description.json").write_text("{}")
    (folder / "data/scans.csv").write_text("subject,path\n")
    clinica = {"converter": "oasis3-to-bids", "images": "data/oasis", "tables": "data/tables"}
    return {
        "adni": {"raw": {"images": "data/ADNI", "tables": "data/clinical"}},
        "bids": {"bids": {"path": "data/bids"}},
        "csv": {"csv": {"path": "data/scans.csv"}},
        "clinica": {"clinica": clinica},
    }


def test_no_training_and_no_baseline_is_planned_for_any_source(workflow: Workflow) -> None:
    fabricated(workflow.folder / "model")
    for profile, (source, given) in zip(
        ("local", "slurm", "local", "local"), sources(workflow.folder).items(), strict=True
    ):
        config = {"model": "model", "source": source, "results_dir": f"results/{source}"} | given
        (workflow.folder / "external.json").write_text(json.dumps(config))
        planned = workflow.planned("--configfile", "external.json", profile=f"profiles/{profile}")
        assert not [rule for rule in planned if rule.startswith("train_") or "baseline" in rule or "dae" in rule], (
            source
        )
        wanted = {
            "adopt_model",
            "make_splits",
            "encode_codes",
            "fit_probes",
            "eval_reconstruction",
            "eval_interpolation",
        }
        wanted |= {"eval_manipulation", "eval_solvers", "compare_with_model", "report_html", "bundle_public"}
        assert wanted <= planned.keys(), source
        assert not {"describe_model", "model_card", "eval_samples", "figure_training"} & planned.keys(), source
        assert ("register_mni" in planned) == (source != "csv")


def test_a_contradiction_is_one_sentence_before_anything_is_planned(workflow: Workflow) -> None:
    fabricated(workflow.folder / "model")
    config = {"model": "model", "results_dir": "results/x"} | sources(workflow.folder)["adni"]
    (workflow.folder / "external.json").write_text(
        json.dumps(config | {"preprocessing": {"registration": {"transform": "rigid"}}})
    )
    result = workflow.run("--configfile", "external.json", "--dry-run")
    (sentence,) = [line for line in result.stderr.splitlines() if line.startswith("Error: ")]
    assert result.returncode != 0 and "Traceback" not in result.stderr
    assert sentence.startswith("Error: preprocessing.registration.transform: the model model has ")
    assert "the configuration says rigid" in sentence and not (workflow.folder / "results").exists()


@pytest.mark.slow
def test_another_scanner_and_prevalence_end_to_end(smoke: Workflow, tmp_path: Path) -> None:
    results = smoke.folder / "results"
    model = results / "smoke"
    parts = [model / "model", *(model / "train" / stage for stage in STAGES)]
    before = [digests(folder) for folder in parts]
    write_json(tmp_path / "other.json", OTHER | {"model": str(model), "results_dir": "results/external"})
    asked = (*SMOKE, str(tmp_path / "other.json"))
    try:
        assert not [rule for rule in smoke.planned(*asked) if rule.startswith("train_")]
        done = smoke.run(*asked)
        assert done.returncode == 0, done.stdout + done.stderr
        assert smoke.planned(*asked) == {}
        external = results / "external"
        assert [digests(folder) for folder in parts] == before
        assert set(read_tsv(external / "manifest/splits.tsv")["split"]) == {"test"}
        table = read_tsv(external / "paper/tables/external.tsv").set_index(["quantity", "basis"])
        row = table.loc[("ae_ssim_w11_brain", "as it is")]
        known = read_json(model / "paper/headline.json")["ae_ssim_w11_brain"]["value"]
        assert row["model_value"] == pytest.approx(known, rel=1e-5)
        assert row["difference_low"] <= row["difference_value"] <= row["difference_high"]
        assert ("accuracy_ad_test", "at the model's prevalence") in table.index
        for page in (external / "paper/report.html", external / "public/report.html"):
            text = page.read_text()
            assert "<title>LDAE-ADNI: external validation</title>" in text
            assert text.index('id="external"') < text.index('id="run"')
        assert not (external / "public/MODEL_CARD.md").exists()
        assert (external / "public/tables/external.tsv").is_file()
    finally:
        shutil.rmtree(results / "external", ignore_errors=True)


@pytest.mark.slow
def test_who_is_held_out_is_tested_and_nobody_else(smoke: Workflow, tmp_path: Path) -> None:
    known = read_tsv(smoke.folder / "results/smoke/manifest/splits.tsv")
    hold_out = {"hold_out": {"participant_id": known.groupby("stratum")["participant_id"].first().tolist()}}
    more = {"subjects": {"MCI": 6}}  # one is held out, and one is left to train on
    overlay = {"results_dir": "results/site", "splits": hold_out, "phantom": more}
    write_json(tmp_path / "site.json", overlay)
    try:
        done = smoke.run(*SMOKE, str(tmp_path / "site.json"), "--until", "make_splits")
        assert done.returncode == 0, done.stdout + done.stderr
        splits = read_tsv(smoke.folder / "results/site/manifest/splits.tsv")
        held = splits["why"].str.startswith("held out: participant_id")
        assert (held == (splits["split"] == "test")).all() and held.sum() == 3
    finally:
        shutil.rmtree(smoke.folder / "results/site", ignore_errors=True)
