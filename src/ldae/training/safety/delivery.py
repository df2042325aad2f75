"""A second name for what a finished training has delivered, so that nothing can lose it any more.

Snakemake deletes the declared outputs of a job that is killed after its last word and before Snakemake's own note. The
checkpoints are gone by then; these links are not declared, and the next attempt delivers them again.
"""

import os
import shutil
from pathlib import Path
from typing import Any

from ldae.core.files import digest, read_json, sha256_file, write_json

FILES = ("metrics.jsonl", "model.safetensors", "model.json")  # model.json last: a folder with one is whole


def keep(out: Path, folder: Path, fingerprint: dict[str, Any]) -> None:
    """Link the deliveries of ``out`` into ``folder`` (a copy where the file system has no hard links)."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for name in FILES:
        _link(out / name, folder / name)
    contents = {name: sha256_file(folder / name) for name in FILES}
    write_json(folder / "delivery.json", {"fingerprint": digest(fingerprint), "sha256": contents})


def restore(out: Path, folder: Path, fingerprint: dict[str, Any]) -> bool:
    """Put the deliveries of the same training back; false where there are none, or they are damaged."""
    if not (folder / "delivery.json").is_file():
        return False
    delivery = read_json(folder / "delivery.json")
    if delivery["fingerprint"] != digest(fingerprint):
        return False
    for name in FILES:
        if not (folder / name).is_file() or sha256_file(folder / name) != delivery["sha256"][name]:
            return False
    for name in FILES:
        (out / name).unlink(missing_ok=True)
        _link(folder / name, out / name)
    return True


def _link(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)
