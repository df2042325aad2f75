"""What a run is: its data, its steps, what flatters or limits its numbers, and which scans its models have not seen."""

from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from ldae.config import Config, Phantom
from ldae.core.lineage import MADE_FROM, read_description
from ldae.core.scans import TARGETS, Change, ScanSet, read_splits
from ldae.core.store import Store, open_store

PLAIN_FLATTERS = (
    "Every head is a smooth warp of one template, the template the scans are later registered to. Brain extraction "
    "and registration are easier than with real heads, and everybody has the same folds of the cortex.",
    "Contrast is one tissue curve per scanner, a smooth bias field and noise: no motion, no ringing, no lesions but "
    "caps round the ventricles.",
    "Ageing and disease move five structures (both ventricles, both hippocampi, the cortex) along fixed directions. A "
    "short code can hold that; real disease is more varied.",
)
RICH_FLATTERS = (
    "Every head is a warp of one template, the template the scans are later registered to. Brain extraction and "
    "registration are easier than with real heads. The folds of the cortex differ by a small random warp: nobody has a "
    "sulcus that others lack.",
    "Contrast is one tissue curve per site, a smooth bias field and noise: no motion and no ringing. Lesions are dark "
    "balls in the white matter, beside the caps round the ventricles.",
    "Ageing and disease move five structures (both ventricles, both hippocampi, the cortex) along fixed directions "
    "and widen the sulci at three places of the cortex that differ between subjects; real disease is more varied.",
)
ALL_FLATTER = (
    "Diagnosis, age and volumes come from one formula with chosen noise. How well a probe can do is set by that "
    "formula: read each number beside the oracle, which knows the true volumes, not beside the paper's.",
    "Networks, grid and training are cut to run on two processor cores.",
)


def flatters(phantom: Phantom | None) -> tuple[str, ...]:
    """Where a phantom's numbers flatter the method, by the variety of its heads; nothing of a real cohort."""
    if phantom is None:
        return ()
    return (RICH_FLATTERS if phantom.variety == "rich" else PLAIN_FLATTERS) + ALL_FLATTER


ENTRIES = {
    "adni": (
        "Convert",
        "raw DICOM and study tables to BIDS with Clinica's ADNI converter, then verified scan by scan",
    ),
    "bids": ("Read", "a BIDS dataset, as it was given"),
    "csv": ("Read", "a table of volumes that were corrected, skull-stripped and registered elsewhere"),
}
NAMES = {"adni": "ADNI", "bids": "BIDS dataset", "csv": "Given volumes"}
COHORTS = {
    "adni": "A cohort of ADNI, converted and preprocessed from its raw images.",
    "bids": "A cohort given as a BIDS dataset, preprocessed here. It is not the paper's: compare with care.",
    "csv": "A cohort given as volumes that were preprocessed elsewhere.",
}


def run_kind(config: Config) -> str:
    """In a few sentences: whose brains these are, and who was held out."""
    held = config.splits.held_out_words()
    if config.model is not None:
        return f"External validation of a frozen model. {whose(config)}"
    return whose(config) + (f" Tested on the subjects of {held}, all of whom were held out." if held else "")


def whose(config: Config) -> str:
    """One sentence on whose brains these are."""
    if config.phantom is None:
        return COHORTS[config.source]
    form = "raw ADNI download" if config.source == "adni" else "BIDS dataset"
    return (
        f"A phantom: synthetic heads with known volumes, written as a {form} and taken through the whole "
        "chain. The numbers show that the chain works and what it can recover. They say nothing about patients."
    )


def steps(config: Config) -> list[tuple[str, str]]:
    """The chain in order: (step, how it was done in this run)."""
    before, networks = config.preprocessing, config.representation
    latent = " × ".join(str(size) for size in config.latent_shape)
    shape = " × ".join(str(size) for size in before.conform.shape)
    sampling, precision = config.evaluation.sampling, config.evaluation.precision
    n4 = before.bias_field
    levels = "1 level" if len(n4.iterations) == 1 else f"{len(n4.iterations)} levels"
    by = "" if precision == "fp32" else f", networks in {precision}"
    preprocessing = [
        (
            "Correct",
            f"bias field by N4, {levels}, shrink factor {n4.shrink_factor}",
        ),
        ("Extract", f"the brain by {before.brain_extraction.backend}"),
        (
            "Register",
            f"to MNI152, {before.registration.transform}, searched at {before.registration.resolution_mm:g} mm",
        ),
        (
            "Conform",
            f"{shape} voxels of {before.conform.spacing_mm:g} mm, one {before.conform.interpolation} interpolation",
        ),
    ]
    held = config.splits.held_out_words()
    tested = f"{config.splits.test_fraction:.0%} of subjects for testing"
    dealt = f"by subject, {config.splits.protocol}: {f'all those of {held} for testing' if held else tested}"
    return [
        ENTRIES[config.source],
        ("Split", dealt if config.model is None else "none: every scan is a test scan of the frozen model"),
        *(preprocessing if config.source != "csv" else []),
        ("Stage 1", f"autoencoder to latents of {latent}, {config.autoencoder.training.steps:,} steps"),
        ("Stage 2", f"unconditional latent diffusion, {config.diffusion.training.steps:,} steps"),
        (
            "Stage 3",
            f"semantic encoder ({networks.backbone}, {networks.dimension} numbers) and gradient estimator, "
            f"{networks.training.steps:,} steps",
        ),
        ("Evaluate", f"on test subjects; {sampling.solver} with {sampling.steps} steps both ways{by}"),
    ]


def changes(
    train: Path, volumes: Store, splits: pd.DataFrame, stages: Iterable[str] = tuple(MADE_FROM)
) -> dict[str, Change]:
    """Stage -> how the training and validation scans of now differ from those that its model was trained on.

    An imported model says nothing of its scans, and is left out.
    """
    found = {}
    for stage in stages:
        trained = ScanSet.read(Path(train) / stage)
        if trained is not None:
            found[stage] = Change.between(trained, ScanSet.of(volumes, splits, TARGETS.get(stage)))
    return found


def unseen_sentences(train: Path, volumes: Path, splits: Path) -> list[str]:
    """One sentence for every model whose training or validation scans have changed since; none after a fresh run.

    Args:
        train: folder of the models.
        volumes: folder of the volume store.
        splits: splits.tsv.
    """
    store, sentences = open_store(volumes), []
    for stage, change in changes(train, store, read_splits(splits)).items():
        if change.nothing:
            continue
        words = [f"has not seen {change.unseen} of the {change.kept + change.unseen} training and validation scans"]
        if change.gone:
            words.append(f"was trained on {len(change.gone)} that are no longer among them")
        digest = read_description(Path(train) / stage)["digest"]
        sentences.append(f"The model of {stage} ({digest}) {' and '.join(words)}; `ldae refit` trains another.")
    return sentences


def imported_stages(train: Path) -> list[str]:
    """Stages whose networks were taken over from weights of others (`ldae import-weights`)."""
    return [
        stage
        for stage in MADE_FROM
        if (train / stage / "model.json").is_file() and "imported" in read_description(train / stage)
    ]
