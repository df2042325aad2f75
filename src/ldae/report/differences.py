"""What a run does otherwise than the paper, in words, from the configuration; and docs/differences.md."""

from ldae.config import Config
from ldae.config.switches import SWITCHES, Switch, chosen

PAPER_SHAPE = (128, 160, 128)

Difference = tuple[str, str, str]
NOT_REPRODUCED = (  # (what, in the authors' code, here in both modes)
    (
        "Length and batch of stage 3",
        "32 scans a step, at most 400 epochs, stopped when the similarity has not risen for 75 (the paper: 16, 200)",
        "`representation.training.batch` and `steps`; nothing stops early",
    ),
    (
        "Length and selection of stage 1",
        "at most 100 epochs, stopped when the validation L1 has not fallen for 30 (the paper: 20 epochs, best SSIM)",
        "`autoencoder.training.steps`, the step with the best SSIM",
    ),
    (
        "Validation subjects",
        "5 % of them for stage 1, 0.5 % for stages 2 and 3, 30 % for the supervised encoders (the paper: 1 %)",
        "`splits.validation_fraction`, the same for all",
    ),
    (
        "Precision",
        "fp16 with a loss scaler; stage 1 clips the gradients while they are scaled, which shrinks its steps",
        "bf16 or fp32, gradients clipped unscaled",
    ),
    (
        "Selection of stage 3",
        "similarity (window 3) of samples by DDIM in 100 steps, from fresh noise at every validation, over all scans",
        "window 11, `representation.training.validation_steps` steps, the same noise at every validation",
    ),
    (
        "Supervised encoders",
        "cross-entropy of two outputs; Adam, whose weight decay is added to the gradient; early stopping, patience 5 "
        "(diagnosis) and 10 (age); ages scaled by a fixed range",
        "one logit; AdamW, whose decay is not; `supervised_ad.selection`; ages scaled by the training scans",
    ),
    (
        "Number of test and validation subjects",
        "a share of the subjects, rounded up",
        "rounded to the nearest number",
    ),
    (
        "Start of the autoencoder's spread",
        "as the framework has it",
        "log variance of -6 where no weights are given",
    ),
)

PAGE_HEAD = """# Where the paper, the authors' code and good sense differ

This page is generated from `src/ldae/config/switches.py` (`make docs`).

`method.mode` sets every switch below: `paper` (the default) is the paper as written, its slips repaired; `authors_code`
is what the authors' published code does, bugs included. A switch given in the configuration wins over the mode:

```yaml
method:
  mode: authors_code
  clamp_z0: false # all of their code but this
```

A changed switch plans the rules that read it and what follows from them, nothing else. The report of a run lists the
switches on which the paper, the code and the run do not agree. Their code is described, not copied: no line of it is
in this repository.

| switch | what it is about | `paper` | `authors_code` | read by |
| --- | --- | --- | --- | --- |
"""


NOT_REPRODUCED_HEAD = """
## What `authors_code` does not reproduce

No switch sets these; where a key of the configuration is named, it can be set to their value.

| | the authors' code | here, in both modes |
| --- | --- | --- |
"""


def differences(config: Config) -> list[Difference]:
    """(subject, the paper, here) for everything that differs."""
    return [*switched(config), *_data(config), *_networks(config), *_evaluation(config)]


def switched(config: Config) -> list[Difference]:
    """Every switch on which paper, authors' code and this run do not agree."""
    settings, found = config.section(), []
    for switch in SWITCHES:
        here = chosen(settings, switch)
        if here == switch.paper == switch.authors_code:
            continue
        same = switch.paper == switch.authors_code
        paper, code = switch.say(switch.paper), switch.say(switch.authors_code)
        found.append((switch.subject, paper if same else f"{paper}; their code: {code}", switch.say(here)))
    return found


def _data(config: Config) -> list[Difference]:
    steps, conform = config.preprocessing, config.preprocessing.conform
    shape = " × ".join(str(size) for size in conform.shape)
    found = [
        (
            "Brain extraction",
            "ANTsPyNet",
            f"{steps.brain_extraction.backend}",
        ),
        (
            "Number of interpolations",
            "two: to 1 mm after registration, then to the grid",
            "one, to the grid",
        ),
        (
            "Order of the split",
            "classes are selected first, so tasks differ in subjects",
            "one split by subject, made first",
        ),
    ]
    if tuple(conform.shape) != PAPER_SHAPE:
        found.append(("Grid", "128 × 160 × 128 at 1.5 mm", f"{shape} at {conform.spacing_mm:g} mm"))
    if config.phantom is not None:
        form = "a synthetic download in ADNI's format" if config.source == "adni" else "a synthetic BIDS dataset"
        found.append(("Data", "ADNI, 10,340 scans", form))
    elif config.source != "adni":
        found.append(("Data", "ADNI, 10,340 scans", "another cohort, given by the user"))
    return found


def _networks(config: Config) -> list[Difference]:
    widths = config.autoencoder.channels
    diffusion, representation = config.diffusion, config.representation
    found = []
    if config.autoencoder.pretrained is None and config.autoencoder.training.init_from is None:
        found.append(("Spread of the latents", "starts as the framework has it", "starts small (log variance -6)"))
    if (widths, diffusion.channels) != ([64, 128, 128, 128], 256):
        found.append(
            (
                "Size of the networks",
                "autoencoder 64 to 128 channels, UNet 256",
                f"autoencoder {widths[0]} to {widths[-1]} channels, UNet {diffusion.channels}",
            )
        )
    if representation.backbone != "convnext_small":
        found.append(
            (
                "Semantic encoder",
                "ConvNeXt-Small, y_sem of 768",
                f"{representation.backbone}, {representation.dimension}",
            )
        )
    return found + _shortcuts(config)


def _shortcuts(config: Config) -> list[Difference]:
    """What helps a training of minutes; the paper's configuration has none of it."""
    found = []
    if config.autoencoder.patch > 1:
        edge = config.autoencoder.patch
        found.append(("Autoencoder's input", "voxels", f"blocks of {edge} × {edge} × {edge} voxels as channels"))
    if config.autoencoder.zero_init:
        found.append(("Autoencoder's start", "the framework's random weights", "residual blocks start as the identity"))
    if config.diffusion.prior == "gaussian":
        found.append(
            (
                "Noise prediction",
                "by the network alone",
                "a Gaussian per latent voxel predicts first, its mean moves linearly with y_sem; the networks add",
            )
        )
    if config.representation.code_norm == "batch":
        found.append(("y_sem", "ends with a LayerNorm", "is batch-normalised after the LayerNorm"))
    return found


def _evaluation(config: Config) -> list[Difference]:
    return [
        ("Uncertainty", "single numbers", f"95 % intervals over subjects ({config.evaluation.bootstrap:,} resamples)"),
        (
            "Controls",
            "none",
            "untrained encoder, permuted labels, another subject's code, random directions, simple averages",
        ),
        ("Similarity", "window 3 or 4, whole box with its background", "window 11 in the brain, the paper's beside it"),
        ("Errors of age", "partly means over batches", "over all scans"),
        ("Interpolation target", "the autoencoder's reconstruction", "the scan itself, the paper's measure beside it"),
    ]


def missing_weights(config: Config) -> list[str]:
    """Sentences on the pretrained weights the paper starts from and this run did not have."""
    found = []
    if config.autoencoder.pretrained is None and config.autoencoder.training.init_from is None:
        found.append("The autoencoder started from random weights; the paper's started from one trained on UK Biobank.")
    if config.representation.backbone_weights is None and config.representation.training.init_from is None:
        found.append(
            "The semantic encoder's ConvNeXt started from random weights; the paper's was trained on ImageNet."
        )
    if config.autoencoder.perceptual_weights is None:
        found.append("The autoencoder was trained without the perceptual loss (LPIPS on SqueezeNet).")
    return found


def differences_page() -> str:
    """docs/differences.md: a table of all switches, a paragraph for each, and what no switch reproduces."""
    rows = "".join(_row(switch) for switch in SWITCHES)
    paragraphs = "\n".join(_paragraph(switch) for switch in SWITCHES)
    others = "".join(f"| {what} | {theirs} | {here} |\n" for what, theirs, here in NOT_REPRODUCED)
    return PAGE_HEAD + rows + "\n" + paragraphs + NOT_REPRODUCED_HEAD + others


def _row(switch: Switch) -> str:
    rules = ", ".join(f"`{rule}`" for rule in switch.rules)
    values = f"`{_yaml(switch.paper)}` | `{_yaml(switch.authors_code)}`"
    return f"| `{switch.key}` | {switch.subject} | {values} | {rules} |\n"


def _paragraph(switch: Switch) -> str:
    values = "".join(f"- `{_yaml(value)}`: {words}\n" for value, words in switch.words.items())
    return f"## {switch.subject}\n\n`{switch.key}`\n\n{values}\nWhere it was decided: {switch.decided}.\n"


def _yaml(value: object) -> str:
    return "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
