"""Real brains for `make real`: one file of conformed volumes becomes NIfTI files and the table of `source: csv`.

    make real VOLUMES=FILE.npz

The file holds ``volumes`` (N, 128, 160, 128) uint8 or float, axes R-A-S, on the paper's grid in MNI152 space, and
``participant_id`` (N,); beside it lies FILE_participants.tsv with participant_id, age (years) and, where known, gender
or sex and diagnosis (CN, MCI, AD). `config/real.yaml` takes them to the demo's grid and networks. Files that are there
are kept, unless they are of other volumes: that is refused. The data are somebody's: nothing of them is in the
repository, and results on them are named as theirs.
"""

import argparse
import sys
import zipfile
import zlib
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd

from ldae.cohort.authors_csv import participant
from ldae.config import load_config
from ldae.core.errors import UserError
from ldae.core.files import atomic_path, read_tsv
from ldae.preprocessing.conform import grid_affine

ROOT = Path(__file__).parents[1]
CONFIGS = [ROOT / "config" / f"{name}.yaml" for name in ("config", "small_networks", "real")]
COLUMNS = ["subject", "path", "diagnosis", "session", "age", "sex"]


def read_volumes(path: Path, shape: tuple[int, ...]) -> tuple[np.ndarray, list[str]]:
    """Volumes (N, X, Y, Z) and their participants; nothing is unpickled.

    Raises:
        UserError: the file is missing, no such file, or on another grid.
    """
    if not path.is_file():
        raise UserError(f"{path} does not exist: give the file of volumes, make real VOLUMES=FILE.npz.")
    try:
        with zipfile.ZipFile(path), np.load(path, allow_pickle=False) as content:
            volumes, names = content["volumes"], [str(name) for name in np.ravel(content["participant_id"])]
    except (ValueError, KeyError, OSError, zipfile.BadZipFile, zlib.error):
        raise UserError(
            f"{path} is no .npz file with the arrays volumes and participant_id, or is damaged; "
            "np.savez_compressed(FILE, volumes=..., participant_id=...) writes one."
        ) from None
    if doubled := [name for name in dict.fromkeys(names) if names.count(name) > 1]:
        raise UserError(f"{path} holds {doubled[0]} twice: one volume a participant is wanted.")
    if volumes.shape[1:] != shape or len(names) != len(volumes):
        raise UserError(
            f"{path} holds {len(names)} participants and volumes of shape {volumes.shape}; wanted are as many "
            f"volumes of {' x '.join(map(str, shape))} voxels, the paper's grid."
        )
    return volumes, names


def read_people(path: Path, names: list[str]) -> pd.DataFrame:
    """Age, sex and diagnosis of these participants, in their order; None where the table does not say.

    Raises:
        UserError: the table is missing, or lacks a participant.
    """
    if not path.is_file():
        raise UserError(f"{path} does not exist: it has participant_id and age of every volume.")
    table = read_tsv(path, dtype=str).rename(columns={"gender": "sex"})
    table = table.set_index("participant_id") if "participant_id" in table else table
    if doubled := sorted(set(table.index[table.index.duplicated()]) & set(names)):
        raise UserError(f"{path} has {doubled[0]} twice: leave one row of each participant.")
    missing = [name for name in names if name not in table.index]
    if missing:
        raise UserError(f"{path} has no row of {missing[0]} ({len(missing)} missing).")
    people = table.reindex(names).reindex(columns=["age", "sex", "diagnosis"])
    return people.assign(sex=people["sex"].str[:1].str.upper())


def write_brains(volumes: Path, people: Path, config_files: list[Path]) -> Path:
    """One NIfTI file a participant, and the table that ``csv.path`` names.

    Raises:
        UserError: what :func:`read_volumes` and :func:`read_people` refuse.
    """
    given, table = load_config(CONFIGS[0]).preprocessing.conform, load_config(*config_files).csv.path
    voxels, names = read_volumes(volumes, given.shape)
    facts = read_people(people, names)
    rows = []
    for name, volume, (_, person) in zip(names, voxels, facts.iterrows(), strict=True):
        path = table.parent / f"{participant(name)}_ses-M000.nii.gz"
        if not path.is_file():
            with atomic_path(path) as temporary:
                nib.save(nib.Nifti1Image(volume, grid_affine(given)), temporary)
        elif not np.array_equal(np.asanyarray(nib.load(path).dataobj), volume):
            raise UserError(
                f"{path} was made from other volumes than {volumes}: move {path.parent} and the results of it away."
            )
        rows.append((name, path.name, person["diagnosis"], 0, person["age"], person["sex"]))
    with atomic_path(table) as temporary:
        pd.DataFrame(rows, columns=COLUMNS).to_csv(temporary, index=False)
    return table


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("volumes", type=Path, metavar="FILE.npz")
    parser.add_argument("--participants", type=Path, metavar="TSV", help="FILE_participants.tsv if not given")
    parser.add_argument("--config", type=Path, nargs="+", default=CONFIGS)
    options = parser.parse_args(arguments)
    people = options.participants or options.volumes.with_name(f"{options.volumes.stem}_participants.tsv")
    try:
        print(write_brains(options.volumes, people, options.config))
    except UserError as error:
        print(f"Error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
