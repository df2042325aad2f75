"""What a metric of quality control means in words, and what to look at: a reason is never a metric's name alone."""

from collections.abc import Mapping

import numpy as np

CONTRAST = ("grey_white", "fluid_white")
BORDER, FOLDED = ("cut_cm2", "cut_head_cm2", "folded"), 0.4
CAUSES = {"uneven", "jump", *BORDER}  # of much else that is measured: said first, also beside what is worse
DIFFERENT = 0.88  # of white matter: grey matter is darker
DARK_FLUID, BRIGHT_FLUID = 0.75, 1.5  # of grey and of white matter: FLAIR and T2 among the rest
WORDS = {
    "dice_template": "the brain mask does not cover the template's brain: look whether mask or registration went wrong",
    "ncc_template": "the brain does not look like the template's: look for a failed registration, another contrast or "
    "a damaged image",
    "dice_affine": "before the warp the brain mask does not cover the template's brain: look whether mask or "
    "registration went wrong",
    "ncc_affine": "before the warp the brain does not look like the template's: look for a failed registration, "
    "another contrast or a damaged image",
    "determinant": "the brain had to change its volume so many times to fit the template: look at voxel sizes and mask",
    "shear": "the brain had to be sheared to fit the template: look whether mask or registration went wrong",
    "stretch": "one direction had to be enlarged so many times more than another to fit the template: look at the "
    "voxel sizes in the header, and whether mask or registration went wrong",
    "turn": "the brain had to be turned by so many degrees to fit the template: look at the axes in the header; if one "
    "of them is backwards, left and right may be exchanged",
    "enhanced": "spots inside the brain are far brighter than white matter, as vessels are after a contrast agent "
    "(gadolinium): look whether the scan was made with one",
    "volume_ratio": "after the affine the brain has so many times the volume of the template's: look whether it was "
    "stretched or shrunken wrongly, and whether the mask holds more or less than brain",
    "brain_ml": "the brain mask has an unusual volume: look at the mask",
    "cut_cm2": "the border of the image cuts the brain, whose mask touches it (in cm2): look for missing slices",
    "cut_head_cm2": "the border of the image cuts the head right beside the brain (in cm2): look for missing slices",
    "jump": "somewhere two neighbouring slices differ so many times more than those around them: look for slices that "
    "are missing, empty or moved, and export the whole series again",
    "noise": "the air is noisy, compared with the brain: look for motion or a coil that failed",
    "saturated": "brain voxels lie at the image's maximum: intensities were cut off",
    "detail": "hardly any of the brain's contrast is fine: look for motion, strong smoothing or coarse voxels",
    "ghost": "the brain shows once more, half the field of view away: look for a ghost in the picture",
    "bias_range": "the inhomogeneity that N4 found is large: look for a failed coil, or a surface coil",
    "uneven": "after N4 white matter is still so many times as bright in one part of the brain as in another, as under "
    "a coil that is near one side: look at the scan, and let N4 fit longer (preprocessing.bias_field: {fit: fine})",
    "edge_fraction": "brain lies on the border of the target grid: look at the registration, and at conform's grid",
    "clipped": "brain voxels are as bright as the scale goes: look for bright vessels or artefacts",
    "range_used": "a few voxels are so bright (or so dark) that the brain uses only this share of the intensities",
    "filled": "the background held NaN, or a mark far below zero, in this share of the voxels, which is 0 now",
    "offset": "intensities began below zero, and this share of their range was added",
}


def reason_of(name: str, value: float, metrics: Mapping[str, float | None]) -> str:
    """Words, then the metric with its value in brackets, for a metric outside its limits.

    Args:
        metrics: all of the scan, where the words depend on several.
    """
    if name == "stripped":
        return "already skull-stripped"
    if name in CONTRAST:
        return f"{contrast_in_words(metrics)} ({values_of(CONTRAST, metrics)})"
    if name in BORDER and (metrics.get("folded") or 0) > FOLDED:
        return (
            "the head is folded over: what the border of the image cuts goes on at the opposite border; scan with a "
            f"larger field of view, or undo the shift of the image ({values_of(BORDER, metrics)})"
        )
    words = WORDS.get(name, "unusual")
    if np.isnan(value):
        words = "it could not be measured"
    if name == "uneven" and (found := metrics.get("bias_range")) is not None:
        return f"{words} (uneven {value:.3g}; N4 took out a bias_range of {found:.3g})"
    return f"{words} ({name} {value:.0f})" if abs(value) >= 1000 else f"{words} ({name} {value:.3g})"


def values_of(names: tuple[str, ...], metrics: Mapping[str, float | None]) -> str:
    """Those that are known, with their names."""
    known = {name: metrics.get(name) for name in names}
    return ", ".join(f"{name} {value:.3g}" for name, value in known.items() if value is not None and value == value)


def contrast_in_words(metrics: Mapping[str, float | None]) -> str:
    """Which contrast the medians of the tissues suggest."""
    grey, fluid = (float(np.nan if (v := metrics.get(name)) is None else v) for name in CONTRAST)
    order = "grey matter is brighter than white" if grey > 1 else "grey matter is about as bright as white"
    if grey <= DIFFERENT:
        return "fluid is not the darkest tissue: not T1-weighted"
    if fluid < DARK_FLUID * grey:
        kind = "fluid dark, as in a FLAIR image, a windowed CT or a young infant's"
    elif fluid > BRIGHT_FLUID:
        kind = "fluid brightest, as in a T2-weighted image or an EPI"
    else:
        kind = "fluid hardly darker, as in a proton-density image, a CT or an EPI"
    return f"{order} and {kind}: not T1-weighted"
