"""Figures 1 and 2: the method in three stages, and its semantic encoder, drawn from the configuration.

``scheme`` is the table of the parts: what shape each has in a configuration, and how many parameters.
"""

from pathlib import Path

import pandas as pd
import torch

from ldae import config
from ldae.networks.counts import count_parameters, parameter_counts
from ldae.networks.semantic_encoder import build_semantic_encoder
from ldae.studies.common.figure_style import house_style, save_figure
from ldae.studies.method.diagram import FROZEN, PLAIN, TRAINED, Page

VOLUME, LATENT = (15.0, 17.0, 9.0), (9.0, 10.0, 6.0)


class Parts:
    """Lookup in the table of :func:`scheme`."""

    def __init__(self, table: pd.DataFrame):
        self.rows = table.set_index("part")

    def shape(self, part: str) -> str:
        """Shape of a part in words, as in the table of parts."""
        return str(self.rows.loc[part, "shape"])

    def count(self, part: str, column: str = "parameters") -> str:
        """``13.8 M parameters``."""
        return f"{short(int(self.rows.loc[part, column]))} parameters"


def short(count: int) -> str:
    """A number in three digits with k or M: 928 k, 13.8 M."""
    for unit, size in (("M", 1e6), ("k", 1e3)):
        if count >= size:
            scaled = count / size
            digits = 0 if scaled >= 100 else 1 if scaled >= 10 else 2
            return f"{scaled:.{digits}f} {unit}"
    return str(count)


@house_style()
def figure_1_method(table: pd.DataFrame, timesteps: int, adversary: bool, stem: str | Path) -> None:
    """The three stages of training and what is done with the trained networks.

    Args:
        table: made by :func:`scheme`.
        timesteps: of the diffusion process.
        adversary: whether stage 1 trains with one.
        stem: output path without suffix.
    """
    page, parts = Page(186), Parts(table)
    _stage_1(page, parts, 163, adversary)
    _stage_2(page, parts, 118, timesteps)
    _stage_3(page, parts, 71)
    _use(page, parts, 23.5)
    page.key(4.5, {"trained in this stage": TRAINED, "frozen": FROZEN, "computed": PLAIN})
    save_figure(page.figure, stem, table, on_test_scans=False)


def _stage_1(page: Page, parts: Parts, y: float, adversary: bool) -> None:
    losses = f"L1{', KL and adversarial loss' if adversary else ' and KL'}; perceptual loss where its weights are given"
    page.band(y - 21, y + 20, "Stage 1: compression", f"AutoencoderKL, {parts.count('autoencoder')}: {losses}")
    y -= 4
    volume = page.cuboid(21, y, VOLUME, "$x$", parts.shape("volume"))
    encoder = page.box(58, y, 26, 14, "Encoder", "posterior $\\mu$, $\\sigma$")
    latent = page.cuboid(88, y, LATENT, "$z$", parts.shape("latent"))
    decoder = page.box(120, y, 26, 14, "Decoder", "")
    rebuilt = page.cuboid(156, y, VOLUME, "$\\hat{x}$", parts.shape("volume"))
    for start, end in ((volume, encoder), (encoder, latent), (latent, decoder), (decoder, rebuilt)):
        page.arrow(start.right, end.left)
    if adversary:
        page.note(120, y - 12.5, f"patch discriminator: {parts.count('discriminator')}\n(training only)")


def _stage_2(page: Page, parts: Parts, y: float, timesteps: int) -> None:
    page.band(y - 20, y + 20, "Stage 2: latent diffusion", "unconditional, on stored latents")
    y -= 4
    clean = page.cuboid(22, y, LATENT, "$z_0$", parts.shape("latent"))
    noisy = page.cuboid(72, y, LATENT, "$z_t$", f"t from 0 to {timesteps - 1}")
    unet = page.box(112, y, 32, 16, "UNet  $\\epsilon_\\theta$", parts.count("unet"))
    noise = page.cuboid(154, y, LATENT, "$\\hat{\\epsilon}$", "loss: mean squared error")
    page.arrow(clean.right, noisy.left, "add noise $\\epsilon$")
    page.arrow(noisy.right, unet.left)
    page.arrow(unet.right, noise.left)


def _stage_3(page: Page, parts: Parts, y: float) -> None:
    page.band(y - 24, y + 23, "Stage 3: representation", "what the frozen UNet misses, the code must tell")
    upper, lower = y + 1, y - 16
    volume = page.cuboid(21, upper, VOLUME, "$x$", parts.shape("volume"))
    encoder = page.box(60, upper, 32, 15, "Semantic encoder", parts.count("semantic_encoder"))
    code = page.box(93, upper, 17, 10, "$y_{sem}$", parts.shape("code"), PLAIN)
    branch = page.box(130, upper, 36, 15, "Gradient estimator $G$", parts.count("gradient_estimator", "trainable"))
    noisy = page.cuboid(72, lower, LATENT, "$z_t$", "")
    unet = page.box(130, lower, 36, 12, "UNet  $\\epsilon_\\theta$", "from stage 2", FROZEN)
    total = page.box(165, y - 7.5, 12, 9, "$\\hat{\\epsilon}$", "", PLAIN)
    page.arrow(volume.right, encoder.left)
    page.arrow(encoder.right, code.left)
    page.arrow(code.right, branch.left)
    page.arrow(noisy.right, unet.left)
    page.arrow(unet.top, branch.bottom)
    page.note(132, (upper + lower) / 2 - 0.8, "features", ha="left", size=6.3)
    page.arrow(branch.right, total.top, bend="across")
    page.arrow(unet.right, total.bottom, bend="across")
    page.note(43, lower - 5.5, "$\\hat{\\epsilon} = \\epsilon_\\theta(z_t, t) - s_t\\, G(z_t, t, y_{sem})$", size=7)


def _use(page: Page, parts: Parts, y: float) -> None:
    page.band(
        y - 13, y + 20, "Use", "deterministic sampling both ways; codes are kept, averaged or moved, then decoded"
    )
    y -= 0.5
    volume = page.box(17, y, 15, 10, "$x$", "", PLAIN)
    code = page.box(55, y + 5.5, 22, 8, "$y_{sem}$", "", PLAIN)
    noise = page.box(55, y - 5.5, 22, 8, "$x_T$", "", PLAIN)
    edit = page.box(
        98,
        y,
        38,
        16,
        "Edit",
        "reconstruct: keep both\ninterpolate: LERP $y$, SLERP $x_T$\nmanipulate: $y + \\alpha\\,w$",
        PLAIN,
    )
    sampled = page.box(140, y, 18, 10, "$\\hat{z}_0$", "", PLAIN)
    rebuilt = page.box(166, y, 14, 10, "$\\hat{x}$", "", PLAIN)
    page.arrow(volume.right, code.left)
    page.arrow(volume.right, noise.left)
    page.arrow(code.right, edit.left)
    page.arrow(noise.right, edit.left)
    page.arrow(edit.right, sampled.left, "sample")
    page.arrow(sampled.right, rebuilt.left)


@house_style()
def figure_2_encoder(table: pd.DataFrame, backbone: str, code_norm: str, stem: str | Path) -> None:
    """The semantic encoder: a 2-D backbone over axial slices, soft attention and cross-attention over them.

    Args:
        table: made by :func:`scheme`.
        backbone, code_norm: of the ``representation`` section.
        stem: output path without suffix.
    """
    page, parts = Page(84), Parts(table)
    y = 52
    volume = page.cuboid(17, y, VOLUME, "$x$", parts.shape("volume"))
    slices = page.stack(44, y, (11, 13), 5, f"axial slices\n{parts.shape('slices')}")
    network = page.box(77, y, 27, 17, "Backbone", f"{backbone}\n{parts.count('encoder_backbone')}")
    features = page.stack(104, y, (3.2, 15), 5, _features(parts))
    soft = page.box(138, y + 13, 38, 13, "Soft attention", "weights over slices, their mean")
    cross = page.box(
        138, y - 13, 38, 15, "Cross-attention", f"{parts.shape('heads')} heads; keys and values:\nthe slices"
    )
    norm = page.box(138, y - 36, 38, 9, "LayerNorm" + (", BatchNorm" if code_norm == "batch" else ""), "")
    code = page.box(90, y - 36, 24, 10, "$y_{sem}$", parts.shape("code"), PLAIN)
    page.arrow(volume.right, slices.left)
    page.arrow(slices.right, network.left)
    page.arrow(network.right, features.left)
    page.arrow(features.right, soft.left)
    page.arrow(features.right, cross.left)
    page.arrow(soft.bottom, cross.top)
    page.note(140, y + 0.6, "query", ha="left", size=6.3)
    page.arrow(cross.bottom, norm.top)
    page.arrow(norm.left, code.right)
    page.note(77, y + 12.5, "one network for all slices", size=6.3)
    page.note(168, y, "attention:\n" + parts.count("encoder_pooling").replace(" par", "\npar"), size=6.3)
    page.note(40, y - 36, f"whole encoder: {parts.count('semantic_encoder')}", size=7)
    save_figure(page.figure, stem, table, on_test_scans=False)


def _features(parts: Parts) -> str:
    words = f"features\n{parts.shape('features')}"
    if parts.shape("features") != parts.shape("projected"):
        words += f"\nprojected to {parts.shape('projected')}"
    return words + "\n+ positions"


COLUMNS = ["part", "shape", "parameters", "trainable"]


def scheme(settings: config.Config) -> pd.DataFrame:
    """One row per part: data (volume, latent, code, slices) with a shape, networks with their parameters.

    ``trainable``: the parameters that the part's own stage trains.
    """
    x, y, z = settings.preprocessing.conform.shape
    representation = settings.representation
    with torch.device("meta"):
        encoder = build_semantic_encoder(representation)
    slices = len(range(0, z, representation.slice_step))
    width = encoder.backbone.num_features
    shapes = {
        "volume": times(1, x, y, z),
        "latent": times(*settings.latent_shape),
        "code": str(representation.dimension),
        "slices": times(slices, x, y),
        "features": times(slices, width),
        "projected": times(slices, representation.dimension),
        "heads": str(representation.heads),
    }
    rows: list[tuple[str, str | None, int | None, int | None]] = [
        (name, shape, None, None) for name, shape in shapes.items()
    ]
    counts = parameter_counts(settings.autoencoder, settings.diffusion, representation)
    rows += [(count.network, None, count.parameters, count.trainable) for count in counts]
    for name in ("backbone", "projection", "pooling"):
        count = count_parameters(getattr(encoder, name))
        rows.append((f"encoder_{name}", None, count, count))
    return pd.DataFrame(rows, columns=COLUMNS).astype({"parameters": "Int64", "trainable": "Int64"})


def times(*sizes: int) -> str:
    """Sizes as a shape is written: ``1 × 144 × 176``."""
    return " × ".join(str(size) for size in sizes)
