"""All usable volumes in one uint8 store, beside what is known of each scan."""

import logging
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd

from ldae.config import Conform
from ldae.core.batches import track
from ldae.core.errors import UserError
from ldae.core.files import read_json, sha256_file
from ldae.core.keys import KEY
from ldae.core.store import write_store
from ldae.preprocessing.conform import grid_affine
from ldae.preprocessing.derivatives import sidecar
from ldae.preprocessing.given_volumes import given_volume

FACTS = ["months", "age", "sex", "diagnosis", "mmse", "cdr", "field_strength"]
logger = logging.getLogger("ldae")


def pack_volumes(
    scans: pd.DataFrame, qc: pd.DataFrame, derivatives: Path, settings: Conform, out: Path, given: bool = False
) -> None:
    """Write the volume store (uint8, 0..255 = 0..1; the rounding error is 0.002).

    Args:
        scans: scans.tsv.
        qc: qc.tsv; only scans whose state is ``done`` enter.
        derivatives: folder of the volumes.
        given: the volumes were preprocessed elsewhere: they are brought to the grid and to [0, 1] on the way.

    Raises:
        UserError: no scan is left, an image is missing or changed since its status was written, or two kinds of
            registration are mixed.
    """
    usable = scans[scans["status"] == "included"].merge(
        qc.loc[qc["state"] == "done", [*KEY, "path", "sha256", "determinant"]], on=KEY
    )
    usable = usable.sort_values(["participant_id", "months"], kind="stable", ignore_index=True)
    maker = "check_volumes read it" if given else "register_mni wrote it"
    paths = [derivatives / path for path in usable["path"]]
    kinds = {kind_of_registration(path) for path in paths if sidecar(path).is_file()}
    if len(kinds) > 1:
        raise UserError(f"{derivatives} mixes registrations ({'; '.join(sorted(kinds))}); redo register_mni.")
    transform = next(iter(kinds)).split()[0] if kinds else None

    def volumes():
        for path, expected in track(zip(paths, usable["sha256"], strict=True), "pack_volumes", total=len(paths)):
            if not path.is_file() or sha256_file(path) != expected:
                raise UserError(f"{path} is missing or changed since {maker}; run that rule again.")
            volume = given_volume(path, settings) if given else nib.load(path).get_fdata(dtype=np.float32)
            yield np.rint(np.clip(volume, 0, 1) * 255).astype(np.uint8)

    index = usable[[*KEY, *FACTS, "determinant"]]
    facts = {
        "spacing_mm": settings.spacing_mm,
        "centre_mm": list(settings.centre_mm),
        "transform": transform,
    }
    write_store(out, volumes(), index, dtype="uint8", affine=grid_affine(settings).tolist(), **facts)
    logger.info("%d scans of %d subjects packed", len(index), index["participant_id"].nunique())


def kind_of_registration(path: Path) -> str:
    """What must not differ within a store: transform, resolution, template, the way through a subject's mean."""
    record = read_json(sidecar(path))
    settings = record["parameters"]
    way = ", through the subject's mean" if settings.get("longitudinal") else ""
    resolution = f"at {settings['resolution_mm']:g} mm"
    return f"{settings['transform']} {resolution} to template {record['inputs']['template'][:12]}{way}"
