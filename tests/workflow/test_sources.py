"""What a cohort that is no raw ADNI download plans: tiny trees, dry runs, every planned rule counted."""

import json

import pytest
from chain import DEMO

TRAIN = {"build_manifest", "make_splits", "pack_volumes", "train_autoencoder", "encode_latents", "train_diffusion"}
TRAIN |= {"train_representation"}
TRAIN |= {"pack_volumes_dae", "train_dae", "encode_baselines", "train_supervised_ad", "train_supervised_age"}
STUDIES = {"encode_codes", "eval_reconstruction", "fit_probes", "eval_interpolation", "eval_manipulation"}
STUDIES |= {"eval_variation", "assemble_headline"}
PREPROCESS = {"correct_bias_field": 2, "extract_brain": 2, "register_mni": 2, "qc_scans": 1}
CONVERT = {"inventory_raw": 1, "preflight_adni": 1, "adapt_tables": 1, "convert_adni_to_bids": 2, "merge_bids": 1}
TARGETS = {"all", "train", "ingest"}


def once(*rules: set[str]) -> dict[str, int]:
    return dict.fromkeys(set().union(*rules), 1)


def overlay(workflow, **content) -> tuple[str, str, str]:
    """The small networks with ``content`` over it."""
    (workflow.folder / "mine.json").write_text(
        json.dumps({"results_dir": "results/mine", "convert": {"shards": 2}} | content)
    )
    return "--configfile", "config/small_networks.yaml", "mine.json"


def planned(workflow, *arguments: str) -> dict[str, int]:
    return {rule: count for rule, count in workflow.planned(*arguments).items() if rule not in TARGETS}


@pytest.fixture
def bids(workflow):
    """A dataset of one image, enough to plan."""
    root = workflow.folder / "dataset"
    (root / "sub-1/anat").mkdir(parents=True)
    (root / "dataset_description.json").write_text(json.dumps({"Name": "tiny", "BIDSVersion": "1.10.0"}))
    (root / "sub-1/anat/sub-1_T1w.nii.gz").touch()
    return workflow


def test_adni_plans_the_conversion(workflow):
    (workflow.folder / "data/ADNI").mkdir(parents=True)
    raw = {"images": "data/ADNI", "tables": "data/clinical"}
    assert planned(workflow, "train", *overlay(workflow, raw=raw)) == once(TRAIN) | PREPROCESS | CONVERT


def test_bids_enters_at_the_manifest(bids):
    arguments = overlay(bids, source="bids", bids={"path": "dataset"})
    assert planned(bids, "train", *arguments) == once(TRAIN, {"inventory_dataset"}) | PREPROCESS
    everything = planned(bids, *arguments)
    assert set(once(TRAIN, STUDIES) | PREPROCESS) <= set(everything)
    assert not set(everything) & {*CONVERT, "make_phantom", "check_volumes"}


def test_raw_files_of_another_study_are_converted_first(workflow):
    section = {"converter": "oasis3-to-bids", "images": "raw/images", "tables": "raw/tables"}
    arguments = overlay(workflow, source="clinica", clinica=section)
    everything = planned(workflow, "train", *arguments)
    assert everything == once(TRAIN, {"convert_study", "inventory_dataset"}) | PREPROCESS
    stopped = workflow.run("results/mine/manifest/scans.tsv", *arguments)
    assert stopped.returncode != 0 and "clinica.images: raw/images is not a folder" in stopped.stdout + stopped.stderr
    assert not (workflow.folder / "results/mine/bids").exists()


def test_the_study_makes_the_dataset_it_reads(workflow):
    everything = planned(workflow, "train", *DEMO, "config/study.yaml")
    assert everything == once(TRAIN, {"make_phantom_bids", "inventory_dataset"}) | PREPROCESS


def test_real_brains_enter_as_volumes(workflow):
    """What `make real` runs: no conversion, no preprocessing, every study."""
    (workflow.folder / "data/real").mkdir(parents=True)
    (workflow.folder / "data/real/scans.csv").write_text("subject,path,session,age\nsub-1,sub-1.nii.gz,0,40\n")
    everything = planned(workflow, "--configfile", "config/small_networks.yaml", "config/real.yaml")
    assert {"check_volumes", "report_html"} <= set(everything) and set(everything) >= STUDIES
    assert not set(everything) & {*CONVERT, *PREPROCESS, "make_phantom"} - {"qc_scans"}


def test_a_cohort_without_labels_trains_without_the_supervised_baselines(bids):
    arguments = overlay(bids, source="bids", bids={"path": "dataset"}, manifest={"require_diagnosis": False})
    baselines = {"encode_baselines", "train_supervised_ad", "train_supervised_age"}
    assert planned(bids, "train", *arguments) == once(TRAIN - baselines, {"inventory_dataset"}) | PREPROCESS


def test_csv_enters_after_preprocessing(workflow):
    (workflow.folder / "scans.csv").write_text("subject,path\nsub-1,1.nii.gz\n")
    arguments = overlay(workflow, source="csv", csv={"path": "scans.csv"})
    assert planned(workflow, "train", *arguments) == once(TRAIN, {"check_volumes", "inventory_dataset"})
    everything = planned(workflow, *arguments)
    assert {*once(TRAIN, STUDIES), "check_volumes", "qc_pages", "figure_qc", "report_html"} <= set(everything)
    assert not set(everything) & {*CONVERT, *PREPROCESS, "make_phantom"}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"source": "bids", "bids": {"path": "nowhere"}}, "bids.path: nowhere is not a BIDS dataset"),
        ({"source": "csv", "csv": {"path": "no.csv"}}, "csv.path: no.csv does not exist"),
    ],
)
def test_a_source_that_is_not_there_is_one_sentence(workflow, content, message):
    result = workflow.run(*overlay(workflow, **content), "--dry-run")
    assert result.returncode != 0 and f"Error: {message}" in result.stderr
    assert "Traceback" not in result.stderr


def test_no_file_that_was_there_before_the_first_run_is_overwritten(bids):
    """Snakemake deletes what a job is to write: a figure of somebody else's, weights that nobody imported."""
    arguments = overlay(bids, source="bids", bids={"path": "dataset"})
    for name in ("paper/figures/figure_cohort.tsv", "train/autoencoder/model.safetensors"):
        path = bids.folder / "results/mine" / name
        path.parent.mkdir(parents=True)
        path.write_text("MINE")
        refused = bids.run(*arguments, "--dry-run")
        assert refused.returncode != 0 and "Traceback" not in refused.stderr
        assert f"Error: results/mine/{name} could be overwritten" in refused.stderr and path.read_text() == "MINE"
        path.unlink()
    delivered = bids.folder / "results/mine/train/autoencoder/checkpoints/delivered"  # as an import leaves it
    delivered.mkdir(parents=True)
    (delivered.parents[1] / "model.safetensors").write_text("IMPORTED")
    assert bids.planned(*arguments)
