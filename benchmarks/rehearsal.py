"""The rehearsal (`make rehearse`): its eight volumes, and what every rule took of time and memory.

python benchmarks/rehearsal.py volumes          # the volumes and the table that config/rehearse.yaml reads
python benchmarks/rehearsal.py table            # seconds and peak memory by rule, from Snakemake's benchmark files
"""

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
from scipy import ndimage

from ldae.cohort.splits import make_splits
from ldae.config import Config, load_config
from ldae.core.files import atomic_path
from ldae.core.runtime import limit_threads
from ldae.phantom.anatomy import Anatomy, load_anatomy
from ldae.phantom.population import Subject, draw_subject, roster_number
from ldae.phantom.scan import make_scan
from ldae.preprocessing.conform import grid_affine, scale_intensity

CONFIGS = (Path("config/config.yaml"), Path("config/rehearse.yaml"))
SUBJECTS = {"CN": 3, "AD": 2}  # test, validation and training hold both but validation
VISITS = {"test": (0, 12, 24), "train": (0, 12)}  # months of the first such subject; of everyone else 0
VOLUMES = 8


@dataclass(frozen=True)
class Visit:
    """A volume to be made."""

    subject: Subject
    months: int

    @property
    def session(self) -> str:
        return f"M{self.months:03d}"

    @property
    def name(self) -> str:
        return f"{self.subject.participant_id}_ses-{self.session}.nii.gz"


def visits(config: Config) -> list[Visit]:
    """Eight: one test subject with three visits (a triplet), one training subject with two, the others with one.

    Splits are a function of names and diagnoses, so that they are known before there is a scan.
    """
    roster = [roster_number(name, index) for name, count in SUBJECTS.items() for index in range(count)]
    subjects = [draw_subject(config.seed, rid) for rid in roster]
    people = pd.DataFrame(
        {
            "participant_id": [subject.participant_id for subject in subjects],
            "diagnosis": [subject.diagnosis for subject in subjects],
            "months": 0,
            "status": "included",
        }
    )
    split = make_splits(people, config.splits, config.seed).set_index("participant_id")["split"]
    wanted, chosen = dict(VISITS), []
    for subject in subjects:
        for months in wanted.pop(split[subject.participant_id], (0,)):
            chosen.append(Visit(subject, months))
    return chosen


def volume(anatomy: Anatomy, visit: Visit, config: Config) -> nib.Nifti1Image:
    """The clean twin of a phantom, by its true pose on the networks' grid, without what is not brain, in [0, 1]."""
    conform = config.preprocessing.conform
    affine = grid_affine(conform)
    scan = make_scan(
        anatomy, visit.subject, visit.months, visit.session, config.seed, conform.spacing_mm, nuisance=False
    )
    place = np.linalg.inv(scan.affine) @ np.linalg.inv(scan.to_template) @ affine

    def moved(image: np.ndarray) -> np.ndarray:
        return ndimage.affine_transform(
            image.astype(np.float32), place[:3, :3], place[:3, 3], output_shape=conform.shape, order=1, prefilter=False
        )

    brain = moved(scan.labels > 0) > 0.5
    scaled = scale_intensity(moved(scan.image), brain, affine, conform.intensity)
    return nib.Nifti1Image(np.where(brain, scaled, 0).astype(np.float32), affine)


def write_volumes(config: Config) -> Path:
    """The volumes and their table, where ``csv.path`` says; those that are there are kept."""
    table = config.csv.path
    anatomy = load_anatomy(table.parent / "anatomy.npz")
    rows = []
    for visit in visits(config):
        path = table.parent / visit.name
        if not path.is_file():
            with atomic_path(path) as temporary:
                nib.save(volume(anatomy, visit, config), temporary)
            print(path, flush=True)
        subject = visit.subject
        rows.append(
            {
                "subject": subject.participant_id,
                "path": visit.name,
                "diagnosis": subject.diagnosis,
                "session": visit.session,
                "age": round(subject.age + visit.months / 12, 2),
                "sex": subject.sex,
            }
        )
    with atomic_path(table) as temporary:
        pd.DataFrame(rows).to_csv(temporary, index=False)
    return table


def costs(results: Path) -> pd.DataFrame:
    """Rule, seconds, CPU seconds, peak memory (GiB, of the job's processes together), the dearest last."""
    rows = []
    for path in sorted((results / "benchmarks").rglob("*.tsv")):
        row = pd.read_csv(path, sep="\t", na_values=["-"]).iloc[-1]
        peak = float(row["max_rss"]) / 1024  # Snakemake's MB are 2^20 bytes
        rows.append({"rule": path.stem, "seconds": row["s"], "cpu_seconds": row["cpu_time"], "peak_gib": peak})
    return pd.DataFrame(rows).sort_values("seconds", ignore_index=True)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=["volumes", "table"])
    parser.add_argument("--config", type=Path, nargs="+", default=CONFIGS)
    options = parser.parse_args(arguments)
    config = load_config(*options.config)
    if options.what == "volumes":
        print(write_volumes(config))
        return 0
    table = costs(config.results_dir)
    print(table.round({"seconds": 0, "cpu_seconds": 0, "peak_gib": 1}).to_string(index=False))
    print(f"{len(table)} rules, {table['seconds'].sum() / 60:.0f} minutes one after the other", end="")
    print(f", at most {table['peak_gib'].max():.1f} GiB in one")
    return 0


if __name__ == "__main__":
    limit_threads()
    sys.exit(main())
