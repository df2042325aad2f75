"""A results folder with a tiny trained model, as the workflow leaves it."""

from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
from scipy import ndimage

from ldae import config
from ldae.core.files import write_json, write_text, write_tsv
from ldae.core.store import write_store
from ldae.inference.encode import encode_codes
from ldae.inference.facts import describe_model
from ldae.inference.latents import encode_latents
from ldae.preprocessing.conform import grid_affine
from ldae.preprocessing.derivatives import ScanFiles
from ldae.preprocessing.one_scan import preprocess_scan
from ldae.preprocessing.pack import in_256_steps, read_volume
from ldae.preprocessing.registration_template import load_template
from ldae.studies.common.feature_sets import TASKS, fixed
from ldae.studies.common.inputs import read_inputs
from ldae.studies.probes.measure import task_rows, tested, with_probability
from ldae.training.run import train_autoencoder, train_diffusion, train_representation

ROOT = Path(__file__).parents[3]
TRAINING = {"steps": 2, "batch": 4, "micro_batch": 2, "learning_rate": 1e-3, "validate_every": 2, "precision": "fp32"}
SPLITS = ["train"] * 12 + ["validation"] * 2 + ["test"] * 20  # of 34 subjects with two visits each
OVERLAY = {
    "results_dir": "results",
    "source": "bids",
    "bids": {"path": "nowhere"},
    "preprocessing": {
        "bias_field": {"shrink_factor": 6, "iterations": [5], "tolerance": 1e-3},
        "brain_extraction": {"second_stage": False},
    },
    "autoencoder": {"patch": 2, "channels": [8, 8], "latent_channels": 2, "norm_groups": 4, "training": TRAINING},
    "diffusion": {"channels": 8, "norm_groups": 4, "prior": "none", "training": TRAINING},
    "representation": {"backbone": "test_convnext", "dimension": 16, "heads": 2, "slice_step": 8, "training": TRAINING},
    "evaluation": {"sampling": {"steps": 2}, "solvers": [], "folds": 2, "bootstrap": 20},
}


def settings() -> config.Config:
    """The demo's recipe with tiny networks."""
    import yaml

    content: dict = {}
    for name in ("config", "small_networks"):
        content = config.merge(content, yaml.safe_load((ROOT / f"config/{name}.yaml").read_text()))
    return config.parse_config(config.merge(content, OVERLAY))


def small_head() -> nib.Nifti1Image:
    """The template's brain at 3 mm in a plain skull, with noise in the air: a raw scan."""
    template = load_template().brain
    smooth = ndimage.uniform_filter(template.get_fdata(dtype=np.float32), 3)[::3, ::3, ::3]
    data = np.pad(smooth, 8)
    distance = ndimage.distance_transform_edt(data < 20) * 3.0
    shells = np.select([distance <= 3, distance <= 9, distance <= 15], [50.0, 15.0, 230.0], 0.0)
    noise = np.abs(np.random.default_rng(0).normal(0, 4, data.shape))
    affine = template.affine @ np.diag([3.0, 3.0, 3.0, 1.0])
    affine[:3, 3] -= 24
    return nib.Nifti1Image((np.where(data >= 20, data, shells) + noise).astype(np.float32), affine)


def write_results(folder: Path) -> Path:
    """The folder ``results`` below ``folder``; beside it the raw scan of one of its test subjects."""
    results, chosen = folder / "results", settings()
    raw = folder / "sub-20_ses-M000_T1w.nii.gz"
    nib.save(small_head(), raw)
    files = ScanFiles(folder / "derivatives", "sub-20", "ses-M000")
    row = preprocess_scan(raw, files, chosen.preprocessing)
    brain = read_volume(files.root / row["path"])
    generator = np.random.default_rng(0)
    names = [f"sub-{number:02d}" for number in range(len(SPLITS))]
    index = pd.DataFrame(
        [(name, f"ses-M{12 * visit:03d}", 12.0 * visit) for name in names for visit in range(2)],
        columns=["participant_id", "session_id", "months"],
    )
    index["age"] = np.repeat(generator.uniform(60, 85, len(names)), 2) + index["months"] / 12
    index["sex"], index["field_strength"], index["determinant"] = "F", 3.0, 1.0
    index["diagnosis"] = np.repeat([("CN", "MCI", "AD")[number % 3] for number in range(len(names))], 2)
    volumes = [in_256_steps(varied(brain, generator, age)) for age in index["age"]]
    volumes[names.index("sub-20") * 2] = in_256_steps(brain)
    place = grid_affine(chosen.preprocessing.conform)
    write_store(results / "store/volumes", volumes, index, dtype="uint8", affine=place.tolist(), spacing_mm=3.5)
    splits = pd.DataFrame({"participant_id": names, "split": SPLITS})
    write_tsv(results / "manifest/splits.tsv", splits)
    write_tsv(results / "manifest/scans.tsv", index.assign(image_id=[f"I{1000 + row}" for row in range(len(index))]))
    write_text(results / "paper/MODEL_CARD.md", "# Model card\n\nOf the tests.\n")
    train_all(results, chosen)
    return results


def varied(brain: np.ndarray, generator: np.random.Generator, age: float) -> np.ndarray:
    """Another brain: a smooth change of its intensities, the stronger the older."""
    field = ndimage.gaussian_filter(generator.standard_normal(brain.shape), 6)
    return (brain * (1 + 0.15 * field / field.std() - 0.004 * (age - 60))).astype(np.float32)


def train_all(results: Path, chosen: config.Config) -> None:
    """What the rules after ``pack_volumes`` do, as far as a model needs them."""
    volumes, splits = results / "store/volumes", results / "manifest/splits.tsv"
    stages = [results / "train" / name for name in ("autoencoder", "diffusion", "representation")]
    latents, method = results / "store/latents", chosen.method
    train_autoencoder(volumes, splits, stages[0], chosen.autoencoder, 1)
    encode_latents(volumes, stages[0], splits, latents)
    train_diffusion(latents, splits, stages[1], chosen.diffusion, method, 1)
    train_representation(volumes, latents, splits, *stages, chosen.representation, method, 1)
    codes = results / "store/codes"
    encode_codes(volumes, latents, splits, results / "train", codes, method, chosen.evaluation.sampling, 8)
    fit_probes(results, splits)
    describe_model(results / "model", results / "train", results / "store", splits, results / "evaluate/probes", chosen)


def fit_probes(results: Path, splits: Path) -> None:
    """Of rule ``fit_probes``, what concerns the test subjects and y_sem."""
    inputs, tables, fitted = read_inputs(results / "store", splits), [], {}
    features = {"ldae": fixed(inputs.code("y_sem", inputs.scans.index))}
    for task in TASKS:
        found, probes = tested(inputs.scans, task, features, *task_rows(inputs.scans, task), 1)
        tables.append(found)
        fitted |= probes
    write_tsv(results / "evaluate/probes/predictions.tsv", with_probability(pd.concat(tables)))
    write_json(results / "evaluate/probes/fitted.json", fitted)
