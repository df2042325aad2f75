"""Tables 2, 3 and 4: the settings of the three stages, ours beside the paper's."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from ldae.config import Config, Training

PAPER, CODE = "paper", "the authors' code"  # where a published setting stands
BOTH = "paper; the number as in the authors' code"  # the paper's text lost it
PERCEPTUAL = "LPIPS, SqueezeNet, on half of the slices of each axis"
IMPORTED = "imported: not trained here"
NO_ADVERSARY = "none (weight of the adversarial loss 0)"
Row = tuple[str, str, str, str]


@dataclass(frozen=True)
class Published:
    """What the paper prints for a stage."""

    parameters: str
    batch: str
    epochs: str
    learning_rate: str
    hardware: str


PUBLISHED = {
    "autoencoder": Published("14 M", "8", "20", "5e-05", "one A100 (80 GB), 3 days"),
    "diffusion": Published("486 M", "128", "500", "2.5e-05", "two GPUs"),
    "representation": Published("920 M (frozen ones included)", "16", "200", "2.5e-05", "two A100 (40 GB), 2 days"),
}


def settings_tables(config: Config, descriptions: dict[str, dict[str, Any]]) -> dict[str, pd.DataFrame]:
    """One table per stage: setting, ours, paper, and where the paper's value was found.

    Args:
        config: the run.
        descriptions: model.json of ``autoencoder``, ``diffusion`` and ``representation``.
    """
    own = {"autoencoder": _autoencoder(config), "diffusion": _diffusion(config), "representation": _stage_3(config)}
    tables = {}
    for stage, rows in own.items():
        training = _training(getattr(config, stage).training, descriptions[stage], PUBLISHED[stage])
        tables[stage] = pd.DataFrame(rows + training, columns=["setting", "ours", "paper", "source"])
    return tables


def _autoencoder(config: Config) -> list[Row]:
    settings, shape = config.autoencoder, config.preprocessing.conform.shape
    return [
        ("input", _times(shape), "128 × 160 × 128", PAPER),
        ("latent", _times(config.latent_shape), "3 × 16 × 20 × 16", PAPER),
        ("channels", _listed(settings.channels), "64, 128, 128, 128", BOTH),
        ("residual blocks per level", str(settings.res_blocks), "2", BOTH),
        ("weight of KL", f"{settings.kl_weight:g}", "1e-07", BOTH),
        ("weight of the adversarial loss", f"{settings.adversarial_weight:g}", "0.025", BOTH),
        (
            "weight of the perceptual loss",
            f"{settings.perceptual_weight:g}" if settings.perceptual_weights else "0 (no weights given)",
            "0.001",
            BOTH,
        ),
        (
            "perceptual network",
            PERCEPTUAL if settings.perceptual_weights else "none (no weights given)",
            PERCEPTUAL,
            CODE,
        ),
        ("normalisation", _groups(settings.norm_groups), _groups(32), CODE),
        *(
            (f"{name} of the discriminator", f"{ours:g}" if settings.adversarial_weight else NO_ADVERSARY, paper, CODE)
            for name, ours, paper in (
                ("channels", settings.discriminator.channels, "64"),
                ("layers", settings.discriminator.layers, "3"),
                ("learning rate", settings.discriminator.learning_rate, "0.0001"),
            )
        ),
        ("start", _start(settings.training, settings.pretrained is not None), "trained on UK Biobank", PAPER),
    ]


def _diffusion(config: Config) -> list[Row]:
    settings = config.diffusion
    return [
        ("base channels", str(settings.channels), "256", BOTH),
        ("multipliers", _listed(settings.multipliers), "1, 2, 3", CODE),
        ("residual blocks per level", str(settings.res_blocks), "2", BOTH),
        ("attention at down-sampling", _listed(settings.attention_factors), "2, 4", BOTH),
        ("dropout", f"{settings.dropout:g}", "0.1", BOTH),
        ("normalisation", _groups(settings.norm_groups), _groups(32), CODE),
        ("timesteps", str(settings.timesteps), "1000", CODE),
        ("noise schedule", f"linear, {settings.beta_start:g} to {settings.beta_end:g}", "linear, 0.0001 to 0.02", CODE),
        ("decay of the weight average", f"{settings.training.ema_decay:g}", "0.999", BOTH),
    ]


def _stage_3(config: Config) -> list[Row]:
    settings = config.representation
    return [
        ("backbone of the encoder", settings.backbone, "convnext_small", PAPER),
        ("start of the backbone", _start(settings.training, settings.backbone_weights is not None), "ImageNet", PAPER),
        ("length of y_sem", str(settings.dimension), "768", PAPER),
        ("attention heads", str(settings.heads), "8", BOTH),
        ("stochastic depth", f"{settings.drop_path:g}", "0.4", CODE),
        ("SNR weight, gamma", f"{settings.snr_gamma:g}", "0.1", CODE),
        ("decay of the weight average", f"{settings.training.ema_decay:g}", "0.999", BOTH),
    ]


def _training(settings: Training, description: dict[str, Any], paper: Published) -> list[Row]:
    """Rows that every stage has. An epoch is one pass over the training scans; imported weights have none of ours."""
    networks = [f"{count:,} ({name})" for name, count in sorted(description["parameters"].items())]
    counts = ("parameters trained", " + ".join(networks), paper.parameters, PAPER)
    here = dict.fromkeys(("scans", "optimizer", "batch", "epochs", "steps", "rate", "precision", "hardware"), IMPORTED)
    if "imported" not in description:
        here = {
            "scans": f"{description['scans']:,}",
            "optimizer": f"AdamW, weight decay {settings.weight_decay:g}",
            "batch": str(settings.batch),
            "epochs": f"{settings.steps * settings.batch / description['scans']:.1f}",
            "steps": f"{settings.steps:,}",
            "rate": f"{settings.learning_rate:g}",
            "precision": settings.precision,
            "hardware": "paper/timings/trainings.md",
        }
    start = description.get("init_from")
    return [
        counts,
        *([("started from the weights", start["digest"], "n/a", PAPER)] if start else []),
        ("training scans", here["scans"], "n/a", PAPER),
        ("optimizer", here["optimizer"], "Adam, weight decay 0", CODE),
        ("effective batch (scans)", here["batch"], paper.batch, PAPER),
        ("epochs", here["epochs"], paper.epochs, PAPER),
        ("optimizer steps", here["steps"], "n/a", PAPER),
        ("learning rate", here["rate"], paper.learning_rate, CODE),
        ("precision", here["precision"], "fp16", CODE),
        ("hardware and time", here["hardware"], paper.hardware, PAPER),
    ]


def _start(settings: Training, given: bool) -> str:
    """Where the weights came from before the first step."""
    if settings.init_from is not None:
        return "weights of another run"
    return "weights given" if given else "random"


def _groups(number: int) -> str:
    return f"GroupNorm, {number} group{'' if number == 1 else 's'}"


def _times(sizes: Sequence[int]) -> str:
    return " × ".join(str(size) for size in sizes)


def _listed(values: Sequence[int]) -> str:
    return ", ".join(str(value) for value in values)
