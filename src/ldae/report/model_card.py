"""MODEL_CARD.md: what the trained networks are, what they were trained on, what they can and cannot be used for."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from ldae.config import Config
from ldae.core.files import write_text
from ldae.report.differences import differences, missing_weights
from ldae.report.run_description import run_kind

HEADLINES = {
    "ae_ssim_w11_brain": "SSIM of the autoencoder's reconstructions (window 11, inside the brain, test subjects)",
    "mean_volume_ssim_w11_brain": "the same for the mean of the training volumes",
    "ldae_encoded_ssim_w11_brain": "the same for LDAE from the encoded x_T and y_sem",
    "ldae_noise_ssim_w11_brain": "the same for LDAE from noise and y_sem",
    "auc_ad_cv": "AUC of AD against CN, linear probe of y_sem, cross-validated by subject",
    "untrained_encoder_auc_ad_cv": "the same for the encoder before training",
    "pca_voxels_auc_ad_cv": "the same for principal components of the voxels",
    "auc_ad_test": "AUC of AD against CN, test subjects",
    "age_mae_cv": "error of age (years), linear probe of y_sem, cross-validated by subject",
    "age_mae_cv_mean_predictor": "the same for the mean age",
}

BASELINES = {
    "dae": "volumes, without labels",
    "supervised_ad": "AD against CN",
    "supervised_age": "age",
}


def model_card(
    out: Path,
    config: Config,
    headline: Mapping[str, Any],
    descriptions: Mapping[str, Mapping[str, Any]],
    baselines: Mapping[str, Mapping[str, Any]],
    unseen: Sequence[str] = (),
) -> None:
    """Write the card.

    Args:
        headline: headline.json.
        descriptions: model.json of the three stages, by stage.
        baselines: model.json of the trained baselines, by name.
        unseen: sentences on scans that came after a training.
    """
    environment = Environment(
        loader=PackageLoader("ldae.report"), undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    numbers = [(label, estimate_words(headline[name])) for name, label in HEADLINES.items()]
    page = environment.get_template("model_card.md.j2").render(
        kind=run_kind(config),
        phantom=config.phantom is not None,
        shape=" × ".join(map(str, config.preprocessing.conform.shape)),
        spacing=f"{config.preprocessing.conform.spacing_mm:g}",
        latent=" × ".join(map(str, config.latent_shape)),
        dimension=config.representation.dimension,
        source=config.source,
        stages=descriptions,
        baselines=baselines,
        labels=BASELINES,
        numbers=numbers,
        unseen=unseen,
        missing_weights=missing_weights(config),
        differences=differences(config),
    )
    write_text(out, page)


def estimate_words(item: Mapping[str, Any]) -> str:
    """``0.783 [0.667, 0.882], 28 subjects (too few)``, or why there is no number."""
    if item["value"] is None:
        return f"n/a ({item['reason']})"
    interval = f" [{item['low']:.3f}, {item['high']:.3f}]" if item.get("low") is not None else ""
    note = f" ({item['note']})" if item.get("note") else ""
    return f"{item['value']:.3f}{interval}, {item['n_subjects']} subjects{note}"
