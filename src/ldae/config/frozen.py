"""``model: DIR``: a cohort on a model that stays as it is. Its recipe and its networks are those of the configuration.

What the configuration says otherwise is refused, unless it is what the first file says (``config/config.yaml``), which
lies beneath every run and is about nobody's model.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ldae.core.errors import UserError
from ldae.core.files import read_json
from ldae.core.model_places import STAGES, parts, places, reading

FREE = {  # of the cohort or of the machine, not of the model
    "preprocessing.shards",
    "preprocessing.max_quarantined_fraction",
    "preprocessing.keep_corrected",
    "preprocessing.scans_per_worker",
    "preprocessing.quality",
    "preprocessing.orientation",
    "preprocessing.min_slices",
}
FREE_NAMES = {"revision", "micro_batch", "compute", "refit", "deterministic"}
FILES = {  # of this machine; an exported folder brings its own or none
    "template",
    "template_mask",
    "template_sha256",
    "weights",
    "weights_sha256",
    "pretrained",
    "pretrained_sha256",
    "perceptual_weights",
    "perceptual_sha256",
    "backbone_weights",
    "backbone_sha256",
}
ABSENT = object()


def with_model(content: dict[str, Any], beneath: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """A raw configuration with the recipe and the networks of the model that it names; without one, as it is.

    Args:
        beneath: what lies beneath the user's files; it contradicts no model.

    Raises:
        UserError: the folder is no model, or the configuration contradicts it.
    """
    folder = content.get("model")
    if not isinstance(folder, str | Path):
        return content
    beneath = {} if beneath is None or "model" in beneath else beneath
    with reading(Path(folder)):
        recipe, wanted = model_settings(Path(folder))
    found = list(contradictions(wanted, content, beneath))
    if found:
        key, theirs, ours = found[0]
        more = f" (and {len(found) - 1} more keys)" if len(found) > 1 else ""
        raise UserError(
            f"{key}: the model {folder} has {theirs}, the configuration says {ours}{more}: take the key out of your "
            "configuration, or give the model that belongs to it."
        )
    if recipe["source"] == "csv" and content.get("source") != "csv":
        raise UserError(
            f"source: the model {folder} was trained on volumes that had been preprocessed elsewhere, so that it has "
            f"no recipe for raw scans, the configuration says {content.get('source', 'adni')}: give the cohort as csv."
        )
    return laid_over(content, wanted)


def model_settings(folder: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """``config.json`` of a model, and the sections of a configuration that it determines.

    Raises:
        UserError: the folder is no model, or a part of it is missing.
    """
    parts(folder)
    described, weights = places(folder)
    recipe = read_json(described / "config.json")
    wanted: dict[str, Any] = {name: recipe[name] for name in ("preprocessing", "method")}
    wanted["preprocessing"] = with_own_files(wanted["preprocessing"], described)
    wanted["preprocessing"].pop("orientation", None)  # what was said of the model's own scans is not said of others
    wanted["preprocessing"]["quality"] = dict(wanted["preprocessing"]["quality"])
    wanted["preprocessing"]["quality"].pop("exclusions", None)  # of earlier versions: about the model's own scans
    wanted["evaluation"] = {"sampling": recipe["sampling"]}
    for stage in STAGES:
        wanted[stage] = read_json(weights / stage / "model.json")["settings"]
    return recipe, wanted


def with_own_files(preprocessing: dict[str, Any], folder: Path) -> dict[str, Any]:
    """The section with the files that lie in the model's own folder under their whole paths."""
    found = {name: dict(value) if isinstance(value, dict) else value for name, value in preprocessing.items()}
    for step in ("registration", "brain_extraction"):
        for name, value in found[step].items():
            if name in FILES and isinstance(value, str) and (folder / value).is_file():
                found[step][name] = str(folder / value)
    return found


def contradictions(
    wanted: Mapping[str, Any], content: Mapping[str, Any], beneath: Mapping[str, Any], prefix: str = ""
) -> Iterator[tuple[str, Any, Any]]:
    """Key, the model's value and the configuration's, wherever the user says something else than the model."""
    for name, theirs in wanted.items():
        key, ours = f"{prefix}{name}", content.get(name, ABSENT)
        if ours is ABSENT or key in FREE or name in FREE_NAMES or name in FILES:
            continue
        below = beneath.get(name, ABSENT)
        if isinstance(theirs, Mapping) and isinstance(ours, Mapping):
            yield from contradictions(theirs, ours, below if isinstance(below, Mapping) else {}, f"{key}.")
        elif isinstance(theirs, Mapping):
            if ours is not None:
                yield key, "a section", repr(ours)
        elif not same(ours, theirs) and (below is ABSENT or not same(ours, below)):
            yield key, theirs, ours


def same(a: Any, b: Any) -> bool:
    """Whether two values of a configuration are equal, however a file has written them (1.0e-4 is text to YAML)."""
    if isinstance(a, list | tuple) and isinstance(b, list | tuple):
        return len(a) == len(b) and all(same(x, y) for x, y in zip(a, b, strict=True))
    if isinstance(a, str) != isinstance(b, str):
        try:
            return float(a) == float(b)
        except (TypeError, ValueError):
            return False
    return a == b


def laid_over(content: Mapping[str, Any], wanted: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """The configuration with the model's values; what is the cohort's own stays where it is given, and so do files."""
    merged = dict(content)
    for name, theirs in wanted.items():
        key, ours = f"{prefix}{name}", content.get(name, ABSENT)
        if isinstance(theirs, Mapping) and isinstance(ours, Mapping) and key not in FREE:
            merged[name] = laid_over(ours, theirs, f"{key}.")
        elif ours is ABSENT or not (key in FREE or name == "revision" or (name in FILES and ours is not None)):
            merged[name] = theirs
    return merged


def read_recipe(folder: Path) -> dict[str, Any]:
    """``config.json`` of a model."""
    return read_json(places(folder)[0] / "config.json")


def model_digest(folder: Path) -> str:
    """Of the networks of a model, which name it."""
    return read_recipe(folder)["stages"]["representation"]
