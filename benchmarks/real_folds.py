"""What the studies do not say of real brains: age and sex from the latents beside the other codes, and what each way to
decode leaves of a brain's own folds. After `make real`:

    python benchmarks/real_folds.py results/real --out results/real/page

Three tables with intervals over subjects (age.tsv, sex.tsv, folds.tsv) and a picture (folds.png). Nothing is trained
but linear probes; about a CPU-minute.
"""

import argparse
import sys
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import ndimage

from ldae.config import Config, load_config
from ldae.core.batches import batches
from ldae.core.errors import UserError
from ldae.core.files import write_tsv
from ldae.inference.decoder import Decoder
from ldae.inference.pipeline import LDAE
from ldae.studies.common.brain_sheets import (
    brain_box,
    cut,
    difference_limit,
    picture_sheet,
    show_difference,
    show_grey,
)
from ldae.studies.common.chance import CHANCE
from ldae.studies.common.codes_read import Reads
from ldae.studies.common.feature_sets import VoxelPca, code_sets, voxel_gram
from ldae.studies.common.figure_style import house_style
from ldae.studies.common.inputs import Inputs, read_inputs, volumes_of
from ldae.studies.common.linear_probes import outer_folds
from ldae.studies.common.references import derangement, mean_volume
from ldae.studies.common.statistics import estimate_of, estimates_table, interval, mae, mean
from ldae.studies.probes.measure import constant_predictor, cross_validated, task_rows
from ldae.studies.probes.reading import read_from
from ldae.studies.reconstruction.measure import reconstruct

ROOT = Path(__file__).parents[1]
CONFIGS = [ROOT / "config" / f"{name}.yaml" for name in ("config", "small_networks", "real")]
FOLD_MM = 5.0  # standard deviation of the blur whose rest is called folds
BRAIN = 0.02  # intensities up to here are outside the brain
HEADS = {
    "original": "Scan",
    "mean_volume": "Mean\ntraining brain",
    "ae": "Autoencoder",
    "ldae_encoded": "LDAE,\nencoded x$_T$",
    "ldae_noise": "LDAE,\nrandom x$_T$",
    "ldae_shuffled_y": "random x$_T$,\nanother's y$_{sem}$",
}


def latent_gram(inputs: Inputs) -> np.ndarray:
    """(N, N) inner products of the means of the latents, from which their PCA follows."""
    means = np.asarray(inputs.latents.data[np.arange(len(inputs.scans)), 0], dtype=np.float64).reshape(
        len(inputs.scans), -1
    )
    means -= means.mean(axis=0)
    return means @ means.T


def probes(inputs: Inputs, config: Config) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Cross-validated error of age (years) and AUC of sex by what is read. PCA is fitted on the training scans once, as
    y_sem's encoder is, or anew on the scans that each probe is fitted on."""
    scans, settings, seed = (
        inputs.scans.assign(probe_group=inputs.scans["participant_id"]),
        config.evaluation,
        config.seed,
    )
    train = np.flatnonzero(scans["split"] == "train")
    voxels, latents = voxel_gram(inputs, settings.batch), latent_gram(inputs)
    sets = code_sets(inputs) | {
        "pca_latents_once": VoxelPca(latents, base=train),
        "pca_latents": VoxelPca(latents),
        "pca_voxels_once": VoxelPca(voxels, base=train),
        "pca_voxels": VoxelPca(voxels),
    }
    folds = outer_folds(scans, settings.folds, seed)
    rows, age = task_rows(scans, "age")
    tables = {
        name: cross_validated(scans, "age", name, features, rows, age, folds, seed) for name, features in sets.items()
    }
    tables["mean_predictor"] = constant_predictor(scans, "age", rows, age, "cv", folds[rows])
    ages = [
        estimate_of(table, "age", mae, settings.bootstrap, seed).row(method=name, metric="age_mae_cv")
        for name, table in tables.items()
    ]
    sexes = []
    for name, features in sets.items():
        read = read_from(
            scans, features, scans["sex"], settings.folds, settings.bootstrap, seed, settings.confound_permutations
        )
        sexes += [reading.row(name, f"{metric}_sex_cv") for metric, reading in read.items()]
    return estimates_table(ages), estimates_table(sexes, ("method", "metric", "classes", *CHANCE))


def folds_of(volume: np.ndarray, average: np.ndarray, spacing_mm: float) -> np.ndarray:
    """(X, Y, Z) what is finer than 5 mm in a volume's difference from the average brain."""
    own = volume.astype(np.float32) - average
    return own - ndimage.gaussian_filter(own, FOLD_MM / spacing_mm)


def kept(volume: np.ndarray, scan: np.ndarray, average: np.ndarray, spacing_mm: float) -> tuple[float, float]:
    """Of the scan's own folds in a reconstruction: correlation over the brain's voxels, and ratio of amplitudes."""
    inside = scan > BRAIN
    ours, own = (folds_of(each, average, spacing_mm)[inside] for each in (volume, scan))
    spread = float(ours.std())
    return float(np.corrcoef(ours, own)[0, 1]) if spread > 0 else float("nan"), spread / float(own.std())


def decoded(inputs: Inputs, config: Config, train: Path) -> tuple[pd.DataFrame, dict[str, np.ndarray]]:
    """A row per test scan and way to decode it, and the volumes of the first scan."""
    settings, seed = config.evaluation, config.seed
    ldae = LDAE.load(train, config.method, settings.sampling, arithmetic=settings)
    average = mean_volume(inputs, settings.batch)
    rows = inputs.first_scans("test")
    partner = derangement(inputs.scans.loc[rows, "participant_id"].unique(), seed)
    decoder, reads = Decoder(ldae, settings.batch, settings.volumes), Reads(inputs, [(ldae, True), (ldae, False)])
    found: list[tuple] = []
    shown: dict[str, np.ndarray] = {}
    for batch in batches(rows, settings.batch):
        originals = volumes_of(inputs, batch)
        rebuilt, _ = reconstruct(decoder, reads, batch, originals, average, partner, seed)
        shown = shown or {"original": originals[0, 0]} | {name: each[0, 0] for name, each in rebuilt.items()}
        for name, volumes in rebuilt.items():
            for place, row in enumerate(batch):
                pair = kept(
                    volumes[place, 0], originals[place, 0], average.reshape(inputs.grid.shape), inputs.grid.spacing_mm
                )
                found.append((inputs.scans.loc[row, "participant_id"], name, *pair))
    return pd.DataFrame(found, columns=["participant_id", "method", "folds_r", "folds_amplitude"]), shown


def estimated(table: pd.DataFrame, config: Config) -> pd.DataFrame:
    """Means over the scans, with intervals over subjects."""
    rows = []
    for method, group in table.groupby("method", sort=False):
        for metric in ("folds_r", "folds_amplitude"):
            values = group[metric].dropna().to_numpy(float)
            subjects = group.loc[group[metric].notna(), "participant_id"]
            estimate = interval(values, subjects, mean, config.evaluation.bootstrap, config.seed)
            rows.append(estimate.row(method=method, metric=metric))
    return estimates_table(rows)


@house_style()
def draw(shown: dict[str, np.ndarray], spacing_mm: float, stem: Path) -> None:
    """The first test scan and its reconstructions: an axial and a coronal slice, and below what is finer than 5 mm."""
    columns = [name for name in HEADS if name in shown]
    box, average = brain_box(shown["original"]), shown["mean_volume"]
    folds = {name: folds_of(shown[name], average, spacing_mm) for name in columns if name != "mean_volume"}
    inside = shown["original"][box] > BRAIN
    limit = difference_limit([folds["original"][box][inside]])
    sheet = picture_sheet(
        box, [["axial"] * len(columns), ["coronal"] * len(columns), ["axial"] * len(columns)], top_mm=12
    )
    for column, name in enumerate(columns):
        sheet.head(column, HEADS[name])
        show_grey(sheet.panels[0, column], cut(shown[name][box], "axial"))
        show_grey(sheet.panels[1, column], cut(shown[name][box], "coronal"))
        if name in folds:
            show_difference(sheet.panels[2, column], cut(folds[name][box], "axial"), limit)
        else:
            sheet.panels[2, column].set_axis_off()
    sheet.label(2, f"own folds:\nless the mean,\nfiner than\n{FOLD_MM:g} mm")
    sheet.colour_bar(sheet.panels[2, 0].images[0], [2], "intensity")
    sheet.figure.savefig(stem.with_suffix(".png"), dpi=120, pil_kwargs={"optimize": True})


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.split(":")[0])
    parser.add_argument("results", type=Path, metavar="RESULTS")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR")
    parser.add_argument("--config", type=Path, nargs="+", default=CONFIGS)
    options = parser.parse_args(arguments)
    try:
        config, results = load_config(*options.config), options.results
        if not (results / "evaluate/reconstruction/summary.tsv").is_file():
            raise UserError(f"{results} holds no finished run: `make real VOLUMES=FILE.npz` makes results/real.")
        inputs = read_inputs(results / "store", results / "manifest/splits.tsv")
        ages, sexes = probes(inputs, config)
        table, shown = decoded(inputs, config, results / "train")
    except UserError as error:
        print(f"Error: {error}", file=sys.stderr)
        return 1
    options.out.mkdir(parents=True, exist_ok=True)
    for name, found in (("age", ages), ("sex", sexes), ("folds", estimated(table, config))):
        write_tsv(options.out / f"{name}.tsv", found)
    draw(shown, inputs.grid.spacing_mm, options.out / "folds")
    return 0


if __name__ == "__main__":
    sys.exit(main())
