"""What Snakemake would do, without doing it: the paper's configuration, profiles, bad configurations."""

import json

import pytest

FABRICATED_STEPS = {"convert_adni_to_bids": 50, "correct_bias_field": 200, "extract_brain": 200, "register_mni": 200}
STAGES = ("train_autoencoder", "encode_latents", "train_diffusion", "train_representation", "encode_codes")


@pytest.fixture
def paper(workflow):
    """The paper's configuration on a fabricated raw tree."""
    (workflow.folder / "data/ADNI/002_S_0295").mkdir(parents=True)
    (workflow.folder / "data/clinical").mkdir(parents=True)
    return workflow


@pytest.mark.parametrize("profile", ["profiles/local", "profiles/slurm"])
def test_paper_configuration_plans_every_stage(paper, profile):
    planned = paper.planned(profile=profile)
    assert {rule: planned[rule] for rule in FABRICATED_STEPS} == FABRICATED_STEPS
    assert all(planned[stage] == 1 for stage in STAGES)
    assert "make_phantom" not in planned


def test_single_stage_is_a_target(paper):
    planned = paper.planned("train_diffusion")
    assert planned["train_diffusion"] == 1
    assert "train_representation" not in planned


def test_unknown_key_is_named_and_nothing_is_written(workflow):
    (workflow.folder / "typo.json").write_text(json.dumps({"autoencoder": {"chanels": [1]}}))
    result = workflow.run("--configfile", "config/small_networks.yaml", "typo.json")
    assert result.returncode != 0
    assert "autoencoder.chanels: unknown key" in result.stderr
    assert "Traceback" not in result.stderr
    assert not (workflow.folder / "results").exists()


def test_targets_that_are_none_are_a_sentence_each(workflow):
    result = workflow.run("correct_bias_field", "trian", "results/paper/reprot.html", "train_dae", "--dry-run")
    assert result.returncode != 0
    assert "Traceback" not in result.stderr and "WorkflowError" not in result.stderr
    shards, unknown, file = [line for line in result.stderr.splitlines() if line.startswith("Error: ")]
    assert "correct_bias_field is done in shards, so its name alone is no target: `--until correct" in shards
    assert "trian is no target; did you mean train? Targets are all, ingest, preprocess, train, evaluate, " in unknown
    assert "results/paper/reprot.html is written by no rule; did you mean results/paper/report.html" in file


def test_a_key_that_stands_twice_is_named(workflow):
    (workflow.folder / "twice.yaml").write_text("seed: 1\nsource: adni\nseed: 2\n")
    result = workflow.run("--configfile", "twice.yaml", "--dry-run")
    assert result.returncode != 0 and "seed: the key stands twice in twice.yaml, in line 1 and line 3" in result.stderr


def test_missing_raw_folder_is_one_sentence(workflow):
    result = workflow.run("preflight_adni")
    assert result.returncode != 0
    sentences = [line for line in result.stderr.splitlines() if line.startswith("Error: ")]
    assert sentences and "data/ADNI" in sentences[0]
    assert "Traceback" not in result.stderr
    assert not (workflow.folder / "results/manifest/preflight.json").exists()
    assert "Note: the folder of the raw ADNI images does not exist (data/ADNI)" in result.stderr  # before any job


def test_a_held_out_site_is_planned_and_a_column_that_is_none_is_refused(paper):
    hold_out = {"site": [941], "field_strength": [1.5]}
    (paper.folder / "site.json").write_text(json.dumps({"splits": {"hold_out": hold_out}}))
    assert paper.planned("--configfile", "site.json")["train_autoencoder"] == 1
    (paper.folder / "site.json").write_text(json.dumps({"splits": {"hold_out": {"scanner": ["A"]}}}))
    result = paper.run("--configfile", "site.json", "--dry-run")
    assert result.returncode != 0 and "Traceback" not in result.stderr
    assert "splits.hold_out.scanner: must be one of site, " in result.stderr and "(site.json, line 1)" in result.stderr


def test_a_reviewers_table_plans_the_quality_control_and_a_bad_one_is_one_sentence(paper):
    head = "participant_id\tsession_id\treason\n"
    (paper.folder / "qc.json").write_text(json.dumps({"qc": {"exclude": "qc_exclude.tsv"}}))
    for content, words in ((None, "does not exist"), (head + "sub-A\tses-1\n", "line 2 of qc_exclude.tsv needs")):
        if content is not None:
            (paper.folder / "qc_exclude.tsv").write_text(content)
        result = paper.run("--configfile", "qc.json", "--dry-run")
        sentences = [line for line in result.stderr.splitlines() if line.startswith("Error: ")]
        assert result.returncode != 0 and "Traceback" not in result.stderr
        assert len(sentences) == 1 and sentences[0].startswith("Error: qc.exclude: ") and words in sentences[0]
    (paper.folder / "qc_exclude.tsv").write_text(head + "sub-A\tses-1\tmotion\n")
    planned = paper.planned("qc_pages", "--configfile", "qc.json")
    assert planned["qc_scans"] == planned["qc_pages"] == 1
    (paper.folder / "results").mkdir(exist_ok=True)
    (paper.folder / "results/qc").mkdir(exist_ok=True)
    (paper.folder / "qc.json").write_text(json.dumps({"qc": {"exclude": "results/qc/qc_exclude.tsv"}}))
    result = paper.run("--configfile", "qc.json", "--dry-run")
    assert result.returncode != 0 and "lies where the workflow writes" in result.stderr
