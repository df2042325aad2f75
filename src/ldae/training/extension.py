"""A finished training goes on: its ``steps`` were raised and nothing else changed.

The state after its last step lies beside what it has delivered. An extension begins as a checkpoint of the longer
training, made of that state; everything after that is a training like any other, which may be killed and continued.

Nothing here needs torch: a refusal is said when a run is planned.
"""

import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from ldae.config import Config, computed
from ldae.core.errors import UserError
from ldae.core.files import digest, link_or_copy, no_safetensors, read_json, sha256_file, write_json
from ldae.core.lineage import MADE_FROM
from ldae.training.selection import chosen_by
from ldae.training.warm_start import Start

STEPS = "settings.training.steps"
KEPT = "checkpoints/delivered"  # in the folder of a training: a second name of what it has delivered
LAST = "last"  # beside a delivered model: the state after the last step
NOTE = "delivery.json"
RECORDS = ("live.jsonl", "skipped.jsonl")  # of the steps until then; they go on with it
ABSENT = "absent"  # in the place of a digest: what a training would start from is not there
SCHEDULES = {
    "constant": "the learning rate goes on as it was: the same weights as all steps in one go",
    "cosine": "the learning rate jumps from its end to where half a cosine over all steps stands, and ends at zero "
    "again: not the weights of all steps in one go",
}


def flatten(content: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested dictionaries as one, with dotted names."""
    flat: dict[str, Any] = {}
    for name, value in content.items():
        if isinstance(value, Mapping):
            flat |= flatten(value, f"{prefix}{name}.")
        else:
            flat[prefix + name] = value
    return flat


def differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Dotted names of what differs between what two trainings depend on."""
    old, new = flatten(before), flatten(now)
    return [name for name in sorted(old.keys() | new.keys()) if old.get(name) != new.get(name)]


def of_another(folder: Path, saved: Mapping[str, Any], now: Mapping[str, Any]) -> str | None:
    """Why the checkpoints of a folder cannot be continued, in a sentence; none: they can.

    Args:
        saved: what they were made with, flat.
        now: what is asked for, flat.
    """
    names = sorted(saved.keys() | now.keys())
    changed = [f"{n} = {saved.get(n)}, now it is {now.get(n)}" for n in names if saved.get(n) != now.get(n)]
    if not changed:
        return None
    return (
        f"The checkpoints in {folder} were made with {'; '.join(changed)}: put it back to continue that training, or "
        f"start over with `ldae fresh {folder.parent}`, which keeps the old one aside."
    )


def interruptions(config: Config, waiting: set[str]) -> Iterator[str]:
    """Sentences on interrupted trainings that cannot go on as a configuration asks for them.

    What is known before the inputs are made is compared: settings, seed, method, and the weights that they start from.

    Args:
        waiting: the trainings that are still to be done.
    """
    for stage in MADE_FROM:
        out, now = config.results_dir / "train" / stage, _asked(config, stage) if stage in waiting else None
        if now is None or now["start"] == ABSENT or _had_finished(config, stage, out, now):
            continue
        start = {"inputs": {"init_from": now["start"]}} if now["start"] is not None else {}
        known = flatten({name: value for name, value in now.items() if name != "start"} | start)
        folder = out / "checkpoints"
        if (saved := _newest(folder)) is not None:
            inputs = [name for name in saved if name.startswith("inputs.") and name != "inputs.init_from"]
            told = {name: value for name, value in saved.items() if name not in inputs}
            if sentence := of_another(folder, told, known):
                yield f"{stage}: {sentence[0].lower()}{sentence[1:]}"


def _had_finished(config: Config, stage: str, out: Path, now: Mapping[str, Any]) -> bool:
    """Whether a training that had finished answers what is asked: it is delivered again."""
    return any(_delivered(config, stage, old) == now for old in (out / KEPT, *sorted((out / "replaced").glob("*"))))


def _newest(folder: Path) -> dict[str, Any] | None:
    """What the newest checkpoint was made with whose tensors are whole by their header; none: there is no such one."""
    for path in sorted(folder.glob("step-*.json"), reverse=True):
        try:
            saved = read_json(path)["fingerprint"]
        except (OSError, UserError, KeyError, TypeError):
            continue
        if isinstance(saved, dict) and no_safetensors(path.with_suffix(".safetensors")) is None:
            return saved
    return None


def state_of(delivered: Path) -> Path | None:
    """The tensors of the state beside a delivered model; none where it was not kept."""
    return next((path for path in sorted((delivered / LAST).glob("step-*.safetensors")) if _note(path).is_file()), None)


def _note(tensors: Path) -> Path:
    return tensors.with_suffix(".json")


def keep_state(files: list[Path], delivered: Path) -> None:
    """Give the state after the last step a second name beside the delivered model, with the records of its steps."""
    if not files:
        return
    last = delivered / LAST
    last.mkdir()
    for path in files:
        link_or_copy(path, last / path.name)
    for name in RECORDS:  # those are written on: not linked
        if (path := files[0].with_name(name)).is_file():
            shutil.copyfile(path, last / name)


def refusal(stage: str, out: Path, done: int, steps: int, kept: bool) -> str | None:
    """Why a finished training cannot be brought to another number of steps, in a sentence; none: it can.

    Args:
        done: its steps.
        steps: those that are asked for now.
        kept: its last state is there, or a longer training was begun from it.
    """
    fresh = f"train one from the start with `ldae fresh {out}`, which keeps this one aside"
    if steps < done:
        return (
            f"{stage}: training.steps is {steps}, and {done} steps are done, which cannot be undone: put it back to "
            f"{done}, or {fresh}."
        )
    if not kept:
        return (
            f"{stage}: training.steps was raised from {done} to {steps}, but the last state of that training is not in "
            f"{out / KEPT / LAST}, so it cannot go on: put the state or the {done} steps back, or "
            f"{fresh}."
        )
    return None


def begin(
    delivered: Path, folder: Path, stage: str, before: Mapping[str, Any], now: Mapping[str, Any]
) -> dict[str, Any]:
    """Make the last state of a finished training a checkpoint of the longer one.

    Args:
        delivered: the folder of the delivery.
        folder: of the checkpoints.
        before, now: what the two trainings depend on.

    Returns:
        the entry that model.json will have of it.

    Raises:
        UserError: the state is not what was written.
    """
    tensors = state_of(delivered)
    assert tensors is not None  # else it was refused
    known = read_json(_note(tensors))
    if sha256_file(tensors) != known["sha256"]:
        raise UserError(
            f"{stage}: {tensors}, from which it would go on, is damaged: put a good copy or the old steps back, or "
            f"train one from the start with `ldae fresh {folder.parent}`, which keeps this one aside."
        )
    training = now["settings"]["training"]
    entry = {
        "at_step": known["step"],
        "to_step": training["steps"],
        "from_model": read_json(delivered / "model.json")["digest"],
        "configuration_before": digest(before["settings"]),
        "configuration": digest(now["settings"]),
        "schedule": f"{training['schedule']}: {SCHEDULES[training['schedule']]}",
    }
    for name in RECORDS:
        (folder / name).unlink(missing_ok=True)
        if (tensors.parent / name).is_file():
            shutil.copyfile(tensors.parent / name, folder / name)
    (folder / tensors.name).unlink(missing_ok=True)
    link_or_copy(tensors, folder / tensors.name)
    state = known["state"] | {"extended": [*known["state"].get("extended", []), entry]}
    write_json(folder / _note(tensors).name, known | {"fingerprint": flatten(now), "state": state})
    return entry


def refusals(config: Config, waiting: set[str]) -> Iterator[str]:
    """Sentences on finished trainings that cannot be brought to the steps that a configuration asks for.

    Args:
        waiting: the trainings that are still to be done.
    """
    finished = {stage: _delivered(config, stage, config.results_dir / "train" / stage / KEPT) for stage in MADE_FROM}
    others = {stage for stage in waiting if finished[stage] != _asked(config, stage)}
    for stage in sorted(others):
        out, current, now = config.results_dir / "train" / stage, finished[stage], _asked(config, stage)
        if current is None or others & set(MADE_FROM[stage]) or differences(current, now) != [STEPS]:
            continue  # trained from the start, on another model if not with other settings
        if _had_finished(config, stage, out, now):
            continue  # delivered again
        kept = state_of(out / KEPT) is not None or any((out / "checkpoints").glob("step-*.json"))
        done, steps = current["settings"]["training"]["steps"], now["settings"]["training"]["steps"]
        if reason := refusal(stage, out, done, steps, kept):
            yield reason


def kind_of(config: Config, stage: str) -> type[BaseModel]:
    """The section that a stage's settings are of."""
    return type(config.representation if stage.startswith("supervised") else getattr(config, stage))


def completed(config: Config, stage: str, settings: Mapping[str, Any]) -> BaseModel | None:
    """Settings of a stage, those that an earlier version did not have by their defaults; none: they are not valid."""
    try:
        return kind_of(config, stage).model_validate(settings)
    except ValidationError:
        return None


def settings_of(config: Config, stage: str) -> BaseModel:
    """What a configuration asks of a stage."""
    supervised = {
        "supervised_ad": config.supervised("supervised_ad"),
        "supervised_age": config.supervised("supervised_age"),
    }
    if stage in supervised:
        return kind_of(config, stage).model_validate(supervised[stage])
    return getattr(config, stage)


def _asked(config: Config, stage: str) -> dict[str, Any]:
    """What is known of a training before its inputs are."""
    method = config.method_of(f"train_{stage}") if stage in ("diffusion", "representation") else {}
    if stage.startswith("supervised"):
        method = chosen_by(getattr(config, stage).selection)
    settings = settings_of(config, stage)
    return {
        "settings": computed(settings),
        "seed": config.seed_of_trainings,
        "method": method,
        "start": start_digest(config, stage),
    }


def start_digest(config: Config, stage: str) -> str | None:
    """Of the weights that a training starts from; none where it starts at random."""
    try:
        training = getattr(config, stage).training
        start = Start.of(stage, training, config.results_dir / "train" / stage)
    except UserError:
        return ABSENT  # like no digest, so that it is planned and said
    return None if start is None else start.digest


def _delivered(config: Config, stage: str, folder: Path) -> dict[str, Any] | None:
    """The same of a training that has finished; none where there is none, or it has trained nothing."""
    if not (folder / NOTE).is_file() or not (folder / "model.json").is_file():
        return None
    known, described = read_json(folder / NOTE).get("identity", {}), read_json(folder / "model.json")
    settings = completed(config, stage, described["settings"])
    if "settings" not in known or not described.get("scans") or settings is None:
        return None
    return {
        "settings": computed(settings),
        "seed": known.get("seed"),
        "method": known.get("method", {}),
        "start": known.get("inputs", {}).get("init_from"),
    }
