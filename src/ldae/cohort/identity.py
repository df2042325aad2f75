"""Which cohort a results folder was made of: the folder remembers it and refuses another.

``cohort.json`` holds the source, where its data lay and a few of its images. It is written with the inventory of the
data, by the first job of the first run. A grown cohort is the same cohort, and so is one whose folder was moved, since
its images are found in the new place.
"""

import os
from pathlib import Path
from typing import Any

import pandas as pd

from ldae.config import Config
from ldae.core.errors import UserError
from ldae.core.files import read_json, write_json

MEMORY = "cohort.json"
PHANTOM_MARK = ".phantom"  # in the folder of a synthetic cohort
SAMPLE = 40  # images remembered, and looked for whenever a workflow is planned
NAMES = {"adni": "an ADNI download", "bids": "a BIDS dataset", "csv": "a table of volumes"}


def require_same_cohort(config: Config) -> None:
    """Look whether ``results_dir`` may hold results of the configured cohort; at most ``SAMPLE`` files are looked at.

    Raises:
        UserError: it holds another cohort, or a dataset that no run made.
    """
    memory = config.results_dir / MEMORY
    if not memory.is_file():
        require_no_foreign_dataset(config)
        return
    known, now = read_json(memory), identity_of(config)
    if same_cohort(known, now, config.results_dir):
        return
    moved = "phantom" not in known and "phantom" not in now and known["source"] == now["source"]
    raise UserError(
        f"{config.results_dir} was made of {described(known)}, the configuration names {described(now)}: choose "
        f"another results_dir, or move what is there aside with `ldae fresh --cohort {config.results_dir}`"
        + (" (or, if it is the same cohort, say so once with `ldae inventory --same-cohort`)." if moved else ".")
    )


def require_no_foreign_dataset(config: Config) -> None:
    """Raises:
    UserError: ``results_dir/bids``, where the conversion writes, is a dataset that no run of the workflow made, or
        ``results_dir/raw``, where a phantom is written, holds anything else.
    """
    raw = config.results_dir / "raw"
    if config.phantom is not None and not (raw / PHANTOM_MARK).exists() and raw.is_dir() and any(raw.iterdir()):
        raise UserError(f"{raw}, where the phantom is written, holds other files: choose another results_dir.")
    dataset, ran = config.results_dir / "bids", (config.results_dir / "logs").is_dir()
    if config.source == "adni" and (dataset / "dataset_description.json").is_file() and not ran:
        raise UserError(f"{dataset} holds a BIDS dataset that this workflow did not make: choose another results_dir.")


def remember_cohort(config: Config, images: pd.DataFrame) -> None:
    """Write ``cohort.json``, unless it says the same already.

    Args:
        images: all images, their ``path`` from the folder of the data and ``size`` (bytes of a file, entries of a
            folder).
    """
    chosen = images.sort_values("path").iloc[:: max(1, len(images) // SAMPLE)][:SAMPLE]
    sample = [[path, int(size)] for path, size in zip(chosen["path"], chosen["size"], strict=True)]
    content = identity_of(config) | {"images": sample}
    if "path" in content:
        content["from_results"] = os.path.relpath(content["path"], config.results_dir.resolve())
    memory = config.results_dir / MEMORY
    if not memory.is_file() or read_json(memory) != content:
        write_json(memory, content)


def identity_of(config: Config) -> dict[str, Any]:
    """What of a configuration says which cohort it is; a phantom is known by its settings, not by its place."""
    if config.phantom is not None:
        return {"source": config.source, "phantom": config.phantom.model_dump(mode="json", exclude={"revision"})}
    key = {"adni": "raw.images", "bids": "bids.path", "csv": "csv.path"}[config.source]
    return {"source": config.source, "path": str(config.given_paths()[key].resolve())}


def same_cohort(known: dict[str, Any], now: dict[str, Any], results: Path) -> bool:
    """Whether the remembered cohort and the configured one are the same, or one is the other grown or moved."""
    if known["source"] != now["source"] or "phantom" in known or "phantom" in now:
        return known["source"] == now["source"] and known.get("phantom") == now.get("phantom")
    data, sample = Path(now["path"]), known["images"]
    if not data.exists() or not sample:  # nothing to compare: images may be removed once they are converted
        place = os.path.relpath(data, results.resolve())
        return known["path"] == now["path"] or known["from_results"] == place
    listed = None if data.is_dir() else data.read_text(encoding="utf-8-sig", errors="replace")
    folder = data if data.is_dir() else data.parent
    sizes = [size_of(folder / path) if listed is None or path in listed else None for path, _ in sample]
    if known["path"] == now["path"]:  # of the same place: a replaced image is a change, not another cohort
        return any(size is not None for size in sizes) or (listed is None and not has_subjects(folder))
    return sum(size == expected for size, (_, expected) in zip(sizes, sample, strict=True)) * 2 >= len(sample)


def size_of(path: Path) -> int | None:
    """Bytes of a file, number of visible entries of a folder, None where there is nothing."""
    if path.is_dir():
        return sum(not entry.name.startswith(".") for entry in path.iterdir())
    return path.stat().st_size if path.is_file() else None


def has_subjects(folder: Path) -> bool:
    """Whether the folder has visible folders at all."""
    return any(entry.is_dir() and not entry.name.startswith(".") for entry in folder.iterdir())


def described(cohort: dict[str, Any]) -> str:
    """A cohort in a sentence."""
    if "phantom" in cohort:
        settings = ", ".join(f"{name} {value}" for name, value in sorted(cohort["phantom"].items()))
        return f"a synthetic cohort ({cohort['source']}; {settings})"
    return f"{NAMES[cohort['source']]} ({cohort['path']})"
