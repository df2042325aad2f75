"""Which cohort a results folder was made of: the folder remembers it and refuses another.

``cohort.json`` holds the source, where its data lay and a few of its images. It is written with the inventory of the
data, by the first job of the first run. A grown cohort is the same cohort, and so is one whose folder was moved, since
its images are found in the new place. Results without ``cohort.json`` (deleted, or of an earlier version) are compared
by what else they say of their data.

``given_files`` are the files whose change makes the inventory of a given dataset, and so the manifest, anew.
"""

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from ldae.cohort.private_folders import keep_from_others
from ldae.config import Config
from ldae.core.errors import UserError
from ldae.core.files import read_json, read_tsv, write_json

MEMORY = "cohort.json"
DELIVERED = "checkpoints/delivered"  # beside a model: what was trained or imported, under a second name
PHANTOM_MARK = ".phantom"  # in the folder of a synthetic cohort
SAMPLE = 40  # images remembered, and looked for whenever a workflow is planned
INVENTORIES = {  # in manifest/: the sources that have one, and what it says of an image's size
    "raw_inventory.tsv": (("adni",), "files"),
    "dataset_inventory.tsv": (("bids", "csv"), "bytes"),
}
NAMES = {"adni": "an ADNI download", "bids": "a BIDS dataset", "csv": "a table of volumes"}


def require_same_cohort(config: Config) -> None:
    """Look whether ``results_dir`` may hold results of the configured cohort; at most ``SAMPLE`` files are looked at.

    Raises:
        UserError: it holds another cohort, or a dataset that no run made.
    """
    if not lost_memory(config) and not (config.results_dir / MEMORY).is_file():
        require_no_foreign_dataset(config)
        return
    known, now = known_cohort(config), identity_of(config)
    if same_cohort(known, now, config.results_dir):
        return
    synthetic = "phantom" in known or ("phantom" in now and "path" in known)
    moved = not synthetic and known["source"] == now["source"]
    was = f"was made of {described(known)}"
    if lost_memory(config):
        was += f" (it has no {MEMORY}, and nothing else there shows that it is the configured one)"
    raise UserError(
        f"{config.results_dir} {was}, the configuration names {described(now)}: choose "
        f"another results_dir, or move what is there aside with `ldae fresh --cohort {config.results_dir}`"
        + (" (or, if it is the same cohort, say so once with `ldae inventory --same-cohort`)." if moved else ".")
    )


def lost_memory(config: Config) -> bool:
    """Whether ``results_dir`` holds a manifest but not the memory of what it was made of."""
    manifest = config.results_dir / "manifest"
    made = any((manifest / name).is_file() for name in (*INVENTORIES, "scans.tsv"))
    return made and not (config.results_dir / MEMORY).is_file()


def known_cohort(config: Config) -> dict[str, Any]:
    """What the results say of their cohort: ``cohort.json``, else the phantom there, else an inventory.

    The place of the data is known to ``cohort.json`` alone.
    """
    memory, raw = config.results_dir / MEMORY, config.results_dir / "raw"
    if memory.is_file():
        return read_json(memory)
    if (raw / "phantom.json").is_file():
        sources = [source for source, name in (("adni", "ADNI"), ("bids", "bids")) if (raw / name).is_dir()]
        settings = dict(read_json(raw / "phantom.json")["settings"])
        settings.pop("revision", None)
        return {"source": config.source if config.source in sources else [*sources, "adni"][0], "phantom": settings}
    source, images = listed_images(config)
    return {"source": source, "images": sampled(images)}


def fault_of_memory(results: Path) -> str | None:
    """Why ``cohort.json`` of a results folder cannot be read, in a sentence; none: it can, or there is none."""
    memory = results / MEMORY
    if not memory.is_file():
        return None
    try:
        known = read_json(memory)
    except UserError:
        known = None
    whole = isinstance(known, dict) and isinstance(known.get("source"), str) and isinstance(known.get("images"), list)
    again = "put it back, or delete it and run `ldae inventory --same-cohort` with the configuration of the run"
    return None if whole else f"{memory} does not say of which cohort the results are; {again}."


def listed_images(config: Config) -> tuple[str, pd.DataFrame]:
    """Source, and ``path`` and ``size`` of the images, as the inventory of the results has them; none without one."""
    found = [(config.results_dir / "manifest" / name, *facts) for name, facts in INVENTORIES.items()]
    found = sorted((entry for entry in found if entry[0].is_file()), key=lambda entry: config.source not in entry[1])
    if not found:
        return config.source, pd.DataFrame(columns=["path", "size"])
    path, sources, size = found[0]
    rows = read_tsv(path)
    images = rows[(rows["kind"] == "image") & rows[size].notna()].rename(columns={size: "size"})
    return config.source if config.source in sources else sources[0], images


def take_for_the_same(config: Config) -> None:
    """The user says that results without memory were made of the configured cohort: remember it."""
    if lost_memory(config):
        remember_cohort(config, listed_images(config)[1])


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


def require_nobodys_files(config: Config, written: Mapping[str, Iterable[str]]) -> None:
    """Snakemake deletes what a job is to write, and jobs write beside it: these folders are empty before the first run.

    Args:
        written: rule -> the files that it writes.

    Raises:
        UserError: a folder holds a file, although no run left its memory or a log. Imported models have a second name
            (``checkpoints/delivered``) and stay.
    """
    logs = config.results_dir / "logs"
    if (config.results_dir / MEMORY).is_file() or any((logs / f"{rule}.log").is_file() for rule in written):
        return
    folders = {Path(path).parent for paths in written.values() for path in paths} - {config.results_dir}
    ours = (folder for folder in sorted(folders) if folder.is_dir() and not (folder / DELIVERED).is_dir())
    taken = next((path for folder in ours for path in sorted(folder.iterdir()) if path.is_file()), None)
    if taken is not None:
        raise UserError(
            f"{taken} could be overwritten, and no run of this workflow has made it: choose another results_dir, or "
            "move it away."
        )


def remember_cohort(config: Config, images: pd.DataFrame) -> None:
    """Write ``cohort.json``, unless it says the same already.

    Args:
        images: all images, their ``path`` from the folder of the data and ``size`` (bytes of a file, entries of a
            folder).
    """
    content = identity_of(config) | {"images": sampled(images)}
    if "path" in content:
        content["from_results"] = os.path.relpath(content["path"], config.results_dir.resolve())
    memory = config.results_dir / MEMORY
    if not memory.is_file() or read_json(memory) != content:
        write_json(memory, content)
        keep_from_others(memory)


def sampled(images: pd.DataFrame) -> list[list]:
    """[path, size] of at most ``SAMPLE`` images, spread over all of them."""
    chosen = images.sort_values("path").iloc[:: max(1, len(images) // SAMPLE)][:SAMPLE]
    return [[path, int(size)] for path, size in zip(chosen["path"], chosen["size"], strict=True)]


def identity_of(config: Config) -> dict[str, Any]:
    """What of a configuration says which cohort it is; a phantom is known by its settings, not by its place."""
    if config.phantom is not None:
        known = {name: value for name, value in config.phantom.described().items() if name != "revision"}
        return {"source": config.source, "phantom": known}
    if config.clinica is not None and config.bids is not None:
        return {"source": config.source, "path": str(config.bids.path.resolve())}
    key = {"adni": "raw.images", "bids": "bids.path", "csv": "csv.path"}[config.source]
    return {"source": config.source, "path": str(config.given_paths()[key].resolve())}


def same_cohort(known: dict[str, Any], now: dict[str, Any], results: Path) -> bool:
    """Whether the remembered cohort and the configured one are the same, or one is the other grown or moved."""
    if known["source"] != now["source"] or "phantom" in known or "phantom" in now:
        return known["source"] == now["source"] and known.get("phantom") == now.get("phantom")
    data, sample = Path(now["path"]), known["images"]
    if not data.exists() or not sample:  # nothing to compare: images may be removed once they are converted
        place = os.path.relpath(data, results.resolve())
        return known.get("path") == now["path"] or known.get("from_results") == place
    listed = None if data.is_dir() else data.read_text(encoding="utf-8-sig", errors="replace")
    folder = data if data.is_dir() else data.parent
    sizes = [size_of(folder / path) if listed is None or path in listed else None for path, _ in sample]
    if known.get("path") == now["path"]:  # of the same place: a replaced image is a change, not another cohort
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
    return NAMES[cohort["source"]] + (f" ({cohort['path']})" if "path" in cohort else "")


def given_files(settings: Config) -> list[str]:
    """What ``inventory_dataset`` depends on when no conversion comes before it.

    A synthetic dataset, or one that Clinica makes, is not there yet: the rules ``make_phantom_bids`` and
    ``convert_study`` write the file that stands for it. Any other
    BIDS dataset is known by its description, its participants and its table of visits; of anything else that changed
    ``ldae inventory`` tells.

    Raises:
        UserError: the dataset or the table is not there.
    """
    if settings.source == "adni":
        return []
    if settings.source == "csv":
        assert settings.csv is not None  # the configuration was checked
        if not settings.csv.path.is_file():
            raise UserError(f"csv.path: {settings.csv.path} does not exist.")
        return [str(settings.csv.path)]
    if settings.phantom is not None:
        return [str(settings.results_dir / "raw" / "phantom.json")]
    if settings.clinica is not None:
        return [str(settings.results_dir / "manifest" / "clinica.json")]
    assert settings.bids is not None
    root = settings.bids.path
    if not (root / "dataset_description.json").is_file() and next(root.glob("sub-*"), None) is None:
        raise UserError(f"bids.path: {root} is not a BIDS dataset (it has no dataset_description.json).")
    for name in ("visits", "participants"):
        path = getattr(settings.bids, name)
        if path is not None and not path.is_file():
            raise UserError(f"bids.{name}: {path} does not exist.")
    files = [
        root / "dataset_description.json",
        root / "participants.tsv",
        root / "participants.csv",
        settings.bids.visits,
        settings.bids.participants,
    ]
    return [str(path) for path in files if path is not None and path.is_file()]
