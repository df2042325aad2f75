"""The cohort as the scripts of the paper's authors read it: a CSV, a NIfTI volume and an .npz latent per scan."""

import hashlib
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd

from ldae.core.batches import track
from ldae.core.errors import UserError
from ldae.core.files import new_path, read_tsv, write_text
from ldae.core.keys import KEY
from ldae.core.lineage import require_scans
from ldae.core.store import Store, open_store

COLUMNS = ["subject", "path", "diagnosis", "session", "latent_path", "age", "sex", "mode"]
MODES = {"train": "train", "validation": "val", "test": "test"}


def export_csv(results: Path, out: Path, latents: str = "mean", seed: int = 42) -> pd.DataFrame:
    """Write ``out/scans.csv`` and the files it names; the table is written last.

    A volume is the store's uint8 with the NIfTI scale 1/255. A latent is the array ``data`` (float32, C x y z), not
    multiplied by a scale factor: the mean of the posterior, or (``latents`` = ``sample``) one sample of it, which is
    what the authors store. Before ``encode_latents`` has run, ``latent_path`` is empty.

    Nothing that stands in ``out`` is replaced; an export that was killed goes on.

    Raises:
        UserError: the volume store is not finished, the latents were made from other volumes, or ``out`` holds a file
            of the same name with other content.
    """
    volumes = open_store(results / "store" / "volumes")
    codes = open_store(results / "store" / "latents") if (results / "store/latents/store.json").is_file() else None
    if codes is not None:
        require_scans(codes, volumes)
    places = {} if codes is None else dict(zip(keys(codes), range(len(codes.index)), strict=True))
    splits = read_tsv(results / "manifest" / "splits.tsv", dtype=str).set_index("participant_id")["split"]
    named = volumes.index.apply(lambda scan: (scan["participant_id"], visit(scan)), axis=1)
    shared = set(named[named.duplicated()])  # sessions of equal months: the session's own name tells them apart
    rows, files = [], []
    for row, scan in volumes.index.iterrows():
        stem = out.resolve() / scan["participant_id"] / visit(scan) / f"{scan['participant_id']}_{visit(scan)}"
        if named[row] in shared:
            stem = stem.with_name(f"{stem.name}_{scan['session_id']}")
        path, place = Path(f"{stem}_space-MNI_T1w.nii.gz"), places.get(tuple(scan[KEY]))
        latent_path = "" if place is None else f"{stem}_compressed_latent.npz"
        facts = {"subject": scan["participant_id"], "path": str(path), "session": visit(scan)}
        facts |= {"latent_path": latent_path, "mode": MODES.get(splits.get(scan["participant_id"]), "")}
        rows.append(facts | {name: scan[name] for name in ("diagnosis", "age", "sex")})
        files.append((row, path, place, latent_path, "_".join(scan[KEY])))
    table = pd.DataFrame(rows, columns=COLUMNS)
    text = table.to_csv(index=False, lineterminator="\n")
    require_new_table(out / "scans.csv", text)
    for row, path, place, latent_path, name in track(files, "export-csv"):
        write_volume(path, volumes, row)
        if codes is not None and place is not None:
            moments = np.asarray(codes.data[place], dtype=np.float32)
            write_latent(Path(latent_path), moments, latents, seed, name)
    write_text(out / "scans.csv", text)
    return table


def require_new_table(path: Path, text: str) -> None:
    """Before anything is written: the folder holds no table, or the one that would be written.

    Raises:
        UserError: it holds another one.
    """
    if path.exists() and path.read_bytes() != text.encode():
        raise UserError(f"{path} is another table, of another cohort or export, so it stays: give another OUT.")


def keys(store: Store) -> list[tuple[str, str]]:
    """(participant_id, session_id) of every row of a store."""
    return list(store.index[KEY].itertuples(index=False, name=None))


def visit(scan: pd.Series) -> str:
    """``ses-M006``, from which the authors' scripts read the months; the visit's own name where they are unknown."""
    return scan["session_id"] if pd.isna(scan["months"]) else f"ses-M{int(scan['months']):03d}"


def write_volume(path: Path, volumes: Store, row: int) -> None:
    """One volume of the store as NIfTI: its uint8 with the scale 1/255, so that readers see [0, 1]."""
    image = nib.Nifti1Image(np.asarray(volumes.data[row]), np.array(volumes.meta["affine"]))
    image.header.set_slope_inter(1 / 255, 0)
    image.header.set_xyzt_units("mm")
    with new_path(path) as temporary:
        nib.save(image, temporary)


def write_latent(path: Path, moments: np.ndarray, latents: str, seed: int, scan: str) -> None:
    """``moments`` = [mu, sigma]; the noise of a sample depends on the seed and the scan's name alone."""
    latent, sigma = moments
    if latents == "sample":
        key = int.from_bytes(hashlib.blake2b(f"{seed} latent {scan}".encode(), digest_size=8).digest(), "big")
        latent = latent + sigma * np.random.default_rng(key).standard_normal(latent.shape, dtype=np.float32)
    with new_path(path) as temporary, open(temporary, "wb") as handle:
        np.savez_compressed(handle, data=latent)
