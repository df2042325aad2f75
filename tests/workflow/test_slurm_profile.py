"""profiles/slurm against the Snakefile: what every job of the paper's configuration would ask the cluster for."""

import json
import re

import pytest
import yte
from chain import ROOT

from ldae.core import own_gpus
from ldae.core.own_gpus import DEVICE

GPUS = {"train_autoencoder": 1, "encode_latents": 1, "train_diffusion": 2, "train_representation": 2, "encode_codes": 1}
SHARD_RULES = {"convert_adni_to_bids", "correct_bias_field", "extract_brain", "register_mni"}


@pytest.fixture(scope="module")
def profile() -> dict:
    return yte.process_yaml((ROOT / "profiles/slurm/config.yaml").read_text(), require_use_yte=True)


def rules_by_environment() -> dict[str, str]:
    """Rule -> its conda environment file."""
    text = "".join(path.read_text() for path in (ROOT / "rules").glob("*.smk"))
    blocks = re.split(r"^ *rule (\w+):", text, flags=re.MULTILINE)[1:]
    return {name: re.search(r"envs/(\w+)\.yaml", body)[1] for name, body in zip(blocks[::2], blocks[1::2], strict=True)}


def gpus_by_rule(profile: dict) -> dict[str, int]:
    return {rule: asked["gpu"] for rule, asked in profile["set-resources"].items() if "gpu" in asked}


def requests(text: str) -> dict[str, dict[str, str]]:
    """Rule -> resources of its first job, from the output of a dry run."""
    found = {}
    for block in re.split(r"^(?:local)?rule ", text, flags=re.MULTILINE)[1:]:
        line = re.search(r"^ +resources: (.*)$", block, flags=re.MULTILINE)
        if line:
            found.setdefault(block.split(":")[0], dict(item.split("=", 1) for item in line[1].split(", ")))
    return found


def test_dry_run_lists_every_stage_with_its_partition_gpus_and_hours(workflow, profile):
    (workflow.folder / "data/ADNI/002_S_0295").mkdir(parents=True)
    (workflow.folder / "data/clinical").mkdir(parents=True)
    result = workflow.run("--dry-run", profile="profiles/slurm")
    assert result.returncode == 0, result.stderr
    asked = requests(result.stdout)
    assert asked.keys() >= set(GPUS) | SHARD_RULES
    for rule, resources in asked.items():
        assert float(resources["runtime"]) <= 720, f"{rule}: more hours than common queues give"
        if rule in gpus_by_rule(profile):
            assert resources["slurm_partition"] == "gpu" and resources["gpu_model"] == "a100", rule
            assert int(resources["gpu"]) == GPUS.get(rule, 1), rule
        else:
            assert resources["slurm_partition"] == "cpu" and "gpu" not in resources, rule


def refusal(result) -> str:
    """The one sentence of a dry run that was refused."""
    assert result.returncode == 1
    (sentence,) = [line for line in result.stderr.splitlines() if line.startswith("Error: ")]
    return sentence


def test_a_batch_that_the_gpus_cannot_share_is_refused_before_anything_runs(workflow):
    path = workflow.folder / "profiles/slurm/config.yaml"
    path.write_text(
        path.read_text().replace("train_representation: {<<: *pair,", "train_representation: {<<: *pair, gpu: 3,")
    )
    assert refusal(workflow.run("--dry-run", profile="profiles/slurm")) == (
        "Error: train_representation: batch 16 cannot be shared by 3 processes with micro_batch 2; use another "
        "number of GPUs."
    )


def test_a_change_on_the_command_line_that_would_take_the_gpus_from_the_others_is_refused(workflow, monkeypatch):
    """Snakemake replaces the profile's list by it: all other jobs would go to the CPU partition, for two hours."""
    monkeypatch.delenv(DEVICE, raising=False)  # a Snakefile that was read in this process has set it
    one = ("--dry-run", "--set-resources", "train_autoencoder:runtime=1440")
    sentence = refusal(workflow.run(*one, profile="profiles/slurm"))
    assert re.match(
        r"Error: \w+ and \d+ more: SLURM would start such a job without a GPU\. --set-resources on", sentence
    )
    (workflow.folder / "cpu.json").write_text(json.dumps({"launch": {"device": "cpu"}}))
    (workflow.folder / "data/ADNI").mkdir(parents=True)
    (workflow.folder / "data/clinical").mkdir(parents=True)
    result = workflow.run(*one, "--configfile", "cpu.json", profile="profiles/slurm")
    assert result.returncode == 0, result.stderr


def test_every_rule_that_needs_a_gpu_asks_for_one(profile):
    environments = rules_by_environment()
    needing = {rule for rule, name in environments.items() if name == "gpu"}
    assert set(gpus_by_rule(profile)) == needing, "give the rule a row in set-resources of profiles/slurm/config.yaml"
    assert set(profile["set-resources"]) | set(profile["set-threads"]) <= set(environments)


def test_on_one_machine_every_rule_that_needs_a_gpu_has_one_of_its_own():
    """The profile counts them; the adapter takes one that no other job has."""
    text = (ROOT / "profiles/local/config.yaml").read_text()
    local = yte.process_yaml(text, require_use_yte=True)
    needing = {rule for rule, name in rules_by_environment().items() if name == "gpu"}
    assert local["set-resources"] == {rule: {"gpu": 1} for rule in needing}
    handed = "with running(snakemake.log[0], snakemake.input, snakemake.output, snakemake.resources):"
    scripts = {path.stem for path in (ROOT / "workflow/scripts").glob("*.py") if handed in path.read_text()}
    assert scripts == needing


@pytest.mark.parametrize("gpus", [0, 1, 2])
def test_the_local_profile_limits_jobs_to_the_gpus_that_there_are(monkeypatch, gpus):
    monkeypatch.setattr(own_gpus, "visible", lambda: [f"GPU-{number}" for number in range(gpus)])
    local = yte.process_yaml((ROOT / "profiles/local/config.yaml").read_text(), require_use_yte=True)
    assert local.get("resources") == ({"gpu": gpus} if gpus else None)


def test_trainings_are_retried_twenty_times_with_the_same_request(profile):
    trainings = {rule for rule in rules_by_environment() if rule.startswith("train_")}
    assert set(profile["preemptible-rules"]) == trainings and profile["preemptible-retries"] == 20
    for rule in trainings:
        assert all(isinstance(profile["set-resources"][rule][name], int) for name in ("mem_mb", "runtime")), rule


def test_what_starts_over_gets_more_hours_on_a_retry_within_those_of_common_queues(profile):
    """Shards and trainings go on where they stopped; any other job that met its limit would meet it again."""
    for rule, asked in profile["set-resources"].items():
        if rule not in SHARD_RULES and not rule.startswith("train_") and "runtime" in asked:
            most = eval(str(asked["runtime"]), {"attempt": profile["retries"] + 1})
            assert most == 720, f"{rule}: 720, or 240 * attempt"


def test_a_retried_shard_asks_for_more_memory_and_is_never_an_array_task(profile):
    """In an array every task gets the resources of the first one, so a retried shard would keep its old memory."""
    for rule in SHARD_RULES:
        assert profile["set-resources"][rule]["mem_mb"].endswith("* attempt"), rule
    arrays = {name.strip() for name in profile.get("slurm-array-jobs", "").split(",")} - {""}
    growing = {rule for rule, asked in profile["set-resources"].items() if "attempt" in str(asked.get("mem_mb"))}
    assert "all" not in arrays and not arrays & (growing | set(rules_by_environment()) - set(profile["set-resources"]))


def test_every_resource_is_one_the_plugin_knows(profile):
    """Snakemake rejects an unknown option, but takes a misspelled resource for one of the user's own."""
    known = {"slurm_partition", "gpu", "gpu_model", "mem_mb", "runtime"}
    assert set().union(profile["default-resources"], *profile["set-resources"].values()) <= known


def test_the_guide_states_what_the_profile_asks_for(profile):
    guide = (ROOT / "docs/cluster.md").read_text()
    for rule, gpus in gpus_by_rule(profile).items():
        if rule.startswith("eval_"):
            continue  # one row for all
        minutes = str(profile["set-resources"][rule]["runtime"]).removesuffix(" * attempt")
        row = f"| `{rule}` | {gpus} | {int(minutes) // 60} |"
        assert row in guide, f"docs/cluster.md has no row {row}"
