"""The record of the study: the method as a picture, and the settings of its three stages (paper Figures 1 and 2)."""

from ldae.studies.common.study import Figure, Section, Study, Table

SETTINGS = ("ours", "paper", "source")
PARTS = ("shape", "parameters", "trainable")

METHOD = Figure(
    "figure_1_method",
    public=True,
    counted=False,
    title="Figure 1. The method",
    text=(
        "The three stages of training and the use of the trained networks, with shapes and parameter counts of this "
        "configuration. In stage 3 the UNet of stage 2 is frozen and the gradient estimator works on its features; "
        "s<sub>t</sub> is the square root of 1 − ᾱ<sub>t</sub>. α w: a step along the direction of a linear probe."
    ),
    alternative="Scheme of autoencoder, latent diffusion, representation learning and use of the codes.",
    keys=("part",),
    columns=PARTS,
)

ENCODER = Figure(
    "figure_2_encoder",
    public=True,
    counted=False,
    title="Figure 2. The semantic encoder",
    text=(
        "Axial slices go through one two-dimensional network. Their features, with a fixed encoding of their places, "
        "are averaged with learned weights; the average asks the slices once more by cross-attention. Shapes and "
        "parameter counts are those of this configuration."
    ),
    alternative="Scheme of the semantic encoder from volume over slices and attention to the semantic code.",
    keys=("part",),
    columns=PARTS,
)

STUDY = Study(
    name="method",
    order=10,
    on_test_scans=False,
    sections=(Section("method", "Method", (METHOD, ENCODER)),),
    tables=(
        Table("settings_autoencoder", public=True, counted=False, keys=("setting",), columns=SETTINGS),
        Table("settings_diffusion", public=True, counted=False, keys=("setting",), columns=SETTINGS),
        Table("settings_representation", public=True, counted=False, keys=("setting",), columns=SETTINGS),
    ),
)
