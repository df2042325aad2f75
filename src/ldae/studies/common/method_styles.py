"""How the compared methods are called and drawn: one name, colour and marker per method, in every figure and table."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from markupsafe import Markup, escape

if TYPE_CHECKING:  # the records of the studies name these methods; they stay light
    import pandas as pd

OURS = "#14506b"
RIVAL = "#d1603d"
GREEN = "#5fa58d"
PURPLE = "#8d6cab"
OCHRE = "#b9a13a"
GREY = "#8a949e"
LIGHT = "#b8c0c8"
INK = "#2f3a42"


@dataclass(frozen=True)
class Method:
    """The words for a legend, a colour, a marker and a dash pattern."""

    label: str
    colour: str
    marker: str = "o"
    dash: str | tuple[float, tuple[float, ...]] = "-"


RECONSTRUCTION = {
    "ae": Method("Autoencoder alone", GREY, "P", ":"),
    "ldae_encoded": Method("LDAE, encoded x$_T$", OURS, "o"),
    "lddim_encoded": Method("Unconditional, encoded x$_T$", PURPLE, "v", "-."),
    "ldae_noise": Method("LDAE, own y$_{sem}$, random x$_T$", RIVAL, "s"),
    "ldae_shuffled_y": Method("LDAE, another subject's y$_{sem}$", OCHRE, "D", (0, (3, 2))),
    "nearest_age": Method("Training scan of nearest age", GREEN, "^", (0, (1, 1))),
    "mean_volume": Method("Mean training brain", LIGHT, "X", (0, (1, 1.5))),
    "dae_grid": Method("Scan on the DAE's grid, up-sampled", INK, "P", ":"),
    "dae_encoded": Method("Voxel-space DAE, encoded x$_T$", INK, "o"),
    "dae_noise": Method("Voxel-space DAE, random x$_T$", INK, "s", (0, (4, 2))),
    "dae_encoded_own_grid": Method("DAE, encoded, on its own grid", INK, "o"),
    "dae_noise_own_grid": Method("DAE, random, on its own grid", INK, "s", (0, (4, 2))),
}
INTERPOLATION = {
    "ae": Method("Autoencoder on the target", GREY, "P", ":"),
    "ldae": Method("LDAE", OURS, "o"),
    "ldae_months": Method("LDAE, place from months as the paper", OURS, "h", (0, (4, 1, 1, 1))),
    "y_only": Method("y$_{sem}$ only", RIVAL, "s", (0, (5, 2))),
    "x_T_only": Method("x$_{T}$ only", LIGHT, "X", (0, (2, 2))),
    "latent_lerp": Method("Average of latents", GREEN, "D", "-."),
    "voxel_lerp": Method("Average of voxels", PURPLE, "v", (0, (3, 1.5))),
    "copy_nearest": Method("Copy of the nearest scan", OCHRE, "^", (0, (1.5, 1.5))),
}
PROBES = {
    "oracle": Method("True volumes (oracle)", GREY, "P"),
    "ldae": Method("LDAE y$_{sem}$", OURS, "o"),
    "dae": Method("Voxel-space DAE", PURPLE, "^"),
    "supervised": Method("Supervised encoder, own head", INK, "h"),
    "supervised_features": Method("Supervised encoder, linear probe", INK, "H"),
    "pca_voxels": Method("PCA of voxels", GREEN, "D"),
    "pca_voxels_once": Method("PCA of voxels, fitted once as y$_{sem}$", GREEN, "D", (0, (3, 2))),
    "region_volumes": Method("Ventricles, hippocampi", GREEN, "p"),
    "tissue_volumes": Method("CSF, grey, white matter", GREEN, "d"),
    "demographics": Method("Demographics", OCHRE, "<"),
    "untrained_encoder": Method("Untrained encoder", RIVAL, "s"),
    "permuted_labels": Method("LDAE, permuted labels", OCHRE, "v"),
    "mean_predictor": Method("Mean age", LIGHT, "X"),
    "majority_class": Method("Majority class", LIGHT, "X"),
}
SAMPLES = {
    "unconditional": Method("Unconditional samples", OURS, "o"),
    "reconstructed_held_out": Method("Held-out scans, reconstructed", GREY, "P", ":"),
    "held_out": Method("Held-out scans (floor)", GREEN, "D", (0, (4, 2))),
    "copied_training": Method("Training scans, as copies", RIVAL, "s", (0, (1.5, 1.5))),
}
DIRECTIONS = {
    "probe": Method("Probe direction", OURS, "o"),
    "adjusted": Method("Probe, adjusted for age and sex", GREEN, "D", "-."),
    "age": Method("Direction of age", PURPLE, "v", (0, (3, 1.5))),
    "random": Method("Random direction", OCHRE, "s", (0, (4, 2))),
}


def present(known: Mapping[str, Method], names: "pd.Series") -> dict[str, Method]:
    """The known methods that occur in ``names``, in house order, then unknown ones under their own name."""
    found = set(names.dropna())
    chosen = {name: method for name, method in known.items() if name in found}
    return chosen | {name: Method(name.replace("_", " "), GREY) for name in sorted(found - set(known))}


def in_html(label: str) -> Markup:
    """A label with matplotlib's subscripts (``y$_{sem}$``) set as HTML."""
    return Markup(re.sub(r"\$_\{?(\w+)\}?\$", r"<sub>\1</sub>", str(escape(label))))
