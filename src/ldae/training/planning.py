"""What a training would refuse at its start, found before anything runs: days of other work may come before it.

Nothing here needs torch, but for the memory of a GPU, which is counted once for a configuration and kept.
"""

import logging
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from ldae.config import Config, Training, computed
from ldae.core.closure import Code
from ldae.core.errors import UserError
from ldae.core.files import digest, read_json, require_weights, write_json
from ldae.core.job_resources import ONE_NODE, Processes, asks_for_gpu, no_number
from ldae.core.lineage import MADE_FROM
from ldae.core.own_gpus import DEVICE
from ldae.training import extension, timm_names
from ldae.training.checkpoint_space import checkpoints_at_once
from ldae.training.warm_start import misfits

TRAININGS = tuple(MADE_FROM)
COUNTS_KEPT = 20  # configurations whose counts are remembered
ENCODERS = {"representation", "supervised_ad", "supervised_age"}  # have a backbone of timm's
COUNTS = ("ldae.training.memory", "ldae.training.rule_memory")  # what the counts depend on, and all that it imports
logger = logging.getLogger("ldae")


def require_runnable(
    config: Config,
    resources: Mapping[str, Mapping[str, Any]],
    metric: Callable[[], Any] | None = None,
    kept_in: Path | None = None,
) -> None:
    """Every training that is still to be done can start as it is planned; every rule with a network fits the configured
    GPU, and asks SLURM for one.

    Args:
        resources: those of the rules with a network; a training that is not named has one process.
        metric: imports the one of :func:`ldae.training.rule_memory.rule_needs`; none: no memory is counted.
        kept_in: a file that keeps what was counted.

    Raises:
        UserError: what each cannot do, one sentence each.
    """
    found = list(impossible(resources))
    counted = {name: Processes.of(asked).total for name, asked in resources.items() if no_number(asked) is None}
    found += [*unmet(config, counted), *without_gpu(config, resources)]
    if not found and metric is not None and config.compute.memory_gb is not None:
        found += too_large(config, Counts.of(config, metric, kept_in))
    if found:
        raise UserError("\n".join(dict.fromkeys(found)))


def unmet(config: Config, processes: Mapping[str, int]) -> Iterator[str]:
    """Sentences on weights that are not there or not the right ones, and on batches that the processes cannot share.

    Args:
        processes: of each rule ``train_*``; what is not named has one.
    """
    waiting = to_train(config)
    if waiting and config.launch.tensorboard and find_spec("tensorboard") is None:
        yield "launch.tensorboard: TensorBoard is not installed: `pip install tensorboard`, or turn it off."
    yield from extension.refusals(config, waiting)
    yield from extension.interruptions(config, waiting)
    for key, path, sha256, users in given_weights(config):
        if path is not None and (not users or waiting & users):
            try:
                require_weights(path, sha256)
            except UserError as error:
                yield f"{key}: {error}"
    if waiting & ENCODERS and (reason := timm_names.unknown(config.representation.backbone)):
        yield f"representation.backbone: {reason}"
    for name in TRAININGS:
        if name in waiting:
            yield from misfits(config, name, training_of(config, name))
        if name in waiting and (reason := training_of(config, name).not_shared(processes.get(f"train_{name}", 1))):
            yield f"train_{name}: {reason}."


def impossible(resources: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """Sentences on numbers of GPUs and nodes that are none, and on studies that several nodes would share."""
    for name, asked in resources.items():
        if reason := no_number(asked):
            yield f"{name}: {reason}, in its resources (the profile's set-resources, or --set-resources)."
        elif not name.startswith("train_") and int(asked.get("gpu", 1)) > 1 and int(asked.get("nodes", 1)) > 1:
            yield f"{name}: {ONE_NODE}"


def without_gpu(config: Config, resources: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """A sentence where jobs with a network would be sent to SLURM and ask it for no GPU: they would compute for days on
    the CPU of a node that has none."""
    lost = [name for name, asked in resources.items() if "slurm_partition" in asked and not asks_for_gpu(asked)]
    if lost and (os.environ.get(DEVICE) or config.launch.device) != "cpu":
        others = f" and {len(lost) - 1} more" if len(lost) > 1 else ""
        yield (
            f"{lost[0]}{others}: SLURM would start such a job without a GPU. --set-resources on the command line "
            "replaces the whole list of a profile: write the change into the rule's row there instead, "
            "profiles/slurm/config.yaml (launch.device: cpu computes without GPUs)."
        )


def given_weights(config: Config) -> Iterator[tuple[str, Path | None, str | None, set[str]]]:
    """Key, file, digest, and the trainings that start from it (none: the studies read it)."""
    autoencoder, encoder, studies = config.autoencoder, config.representation, config.evaluation
    first = {"autoencoder"}
    yield "autoencoder.pretrained", autoencoder.pretrained, autoencoder.pretrained_sha256, first
    yield "autoencoder.perceptual_weights", autoencoder.perceptual_weights, autoencoder.perceptual_sha256, first
    yield "representation.backbone_weights", encoder.backbone_weights, encoder.backbone_sha256, ENCODERS
    yield "evaluation.lpips_weights", studies.lpips_weights, studies.lpips_sha256, set()


def training_of(config: Config, name: str) -> Training:
    """The ``training`` section of a stage or baseline."""
    return getattr(config, name).training


def to_train(config: Config) -> set[str]:
    """Trainings whose model is not there, or is one of other settings. What was imported, is frozen, or is a rival that
    is left out, is not trained."""
    waiting = set()
    for name in config.trained:
        described = config.results_dir / "train" / name / "model.json"
        known = read_json(described) if described.is_file() else {}
        if "imported" in known:
            continue
        settings = extension.completed(config, name, known.get("settings", {}))
        asked, start = computed(extension.settings_of(config, name)), extension.start_digest(config, name)
        if settings is None or computed(settings) != asked or known.get("init_from", {}).get("digest") != start:
            waiting.add(name)
    return waiting


@dataclass(frozen=True)
class Counts:
    """What was counted of a configuration.

    Attributes:
        trainings: GiB, whether it fits, the largest micro-batch that does, and bytes of a checkpoint, by name.
        rules: GiB and whether it fits, of the rules after them.
    """

    trainings: dict[str, dict[str, Any]]
    rules: dict[str, dict[str, Any]]

    @classmethod
    def of(cls, config: Config, metric: Callable[[], Any], kept_in: Path | None) -> "Counts":
        """Read from ``kept_in``, or counted, which takes a minute or two, and kept there."""
        key = cls.key(config)
        known = read_json(kept_in) if kept_in is not None and kept_in.is_file() else {}
        if key not in known:
            logger.warning("Counting whether every rule fits %d GB, once: a minute or two.", config.compute.memory_gb)
            known = dict(list(known.items())[1 - COUNTS_KEPT :]) | {key: count(config, metric())}
            if kept_in is not None:
                write_json(kept_in, known)
        return cls(**known[key])

    @staticmethod
    def key(config: Config) -> str:
        """Of the configuration and the code that a count depends on."""
        code = Code()
        content = config.model_dump(
            mode="json",
            exclude={
                "results_dir",
                "results_group",
                "raw",
                "bids",
                "csv",
                "phantom",
                "launch",
                "seed",
                "training_seed",
            },
        )
        return digest([content, *(code.digest(name) for name in COUNTS)])


def count(config: Config, metric: Any) -> dict[str, dict[str, dict[str, Any]]]:
    """As the attributes of :class:`Counts`."""
    from ldae.training.memory import STAGES, USABLE, checkpoint_bytes, needs
    from ldae.training.rule_memory import rule_needs

    room = USABLE * (config.compute.memory_gb or 0)
    trainings = {
        need.stage: {
            "gib": need.total,
            "fits": need.fits(need.micro_batch, room),
            "largest": need.largest(room),
            "checkpoint": checkpoint_bytes(make(config)),
        }
        for need, make in zip(needs(config), STAGES, strict=True)
    }
    return {
        "trainings": trainings,
        "rules": {need.rule: {"gib": need.total, "fits": need.fits(room)} for need in rule_needs(config, metric)},
    }


def too_large(config: Config, counts: Counts) -> Iterator[str]:
    """Sentences on what does not fit the configured GPU, and on a disk that cannot hold the checkpoints."""
    waiting, size = to_train(config), config.compute.memory_gb
    for name, found in counts.trainings.items():
        if name in waiting and not found["fits"]:
            largest, now = found["largest"], training_of(config, name).micro_batch
            advice = f"set {name}.training.micro_batch to {largest}" if largest else "no micro_batch fits"
            need = f"{found['gib']:.1f} GiB of a GPU of {size} GB (counted)"
            yield f"train_{name}: micro_batch {now} needs {need}; {advice}."
    for rule, found in counts.rules.items():
        if not found["fits"]:
            advice = "set evaluation.volumes to 1, or evaluation.batch lower"
            yield f"{rule}: it needs {found['gib']:.1f} GiB of a GPU of {size} GB (counted); {advice}."
    sizes = {name: found["checkpoint"] for name, found in counts.trainings.items() if name in waiting}
    if sentence := no_room(config, sizes):
        yield sentence


def no_room(config: Config, sizes: Mapping[str, int]) -> str | None:
    """A sentence where the disk cannot hold the checkpoints of the trainings that are still to be done.

    Args:
        sizes: bytes of one checkpoint, by name.
    """
    needed = checkpoints_at_once(sizes, config.launch.keep_last_state)
    folder = next(
        path for path in (config.results_dir.resolve(), *config.results_dir.resolve().parents) if path.is_dir()
    )
    if (free := shutil.disk_usage(folder).free) >= needed:
        return None
    return (
        f"{config.results_dir}: the trainings keep up to {needed / 1e9:.0f} GB of checkpoints at once, "
        f"{free / 1e9:.0f} GB are free there: make room, or set results_dir to a larger disk."
    )
