"""The record of the study: what stage 2 draws, without a code and several times for one code (paper Figure 4)."""

from ldae.studies.common.method_styles import SAMPLES
from ldae.studies.common.study import PICTURES, Estimates, Figure, Section, Study, Table

VARIATION = Figure(
    "figure_4_variation",
    public=False,
    title="Figure 4. What y<sub>sem</sub> leaves open",
    text=(
        "Samples decoded from one scan's y<sub>sem</sub> and different random x<sub>T</sub>, and the voxelwise "
        "standard deviation over all samples of that scan. Ventricles: mapped to the scans' scale (a line fitted on "
        "reconstructions of training scans, without any truth), raw as measured. " + PICTURES
    ),
    alternative="A scan, several samples from its semantic code, and a map of their standard deviation.",
)

DISTANCES = Figure(
    "figure_samples",
    public=False,
    title="Unconditional samples",
    text=(
        "a and b, kernel distance (unbiased, third-degree polynomial) of as many samples, reconstructed and real "
        "held-out scans from the training scans, one scan per subject, in the features of the semantic encoder and in "
        "those of the autoencoder's latent (mean and spread per octant); held-out scans are the floor. c, distance of "
        "each sample and scan to the nearest training scan; d, that distance divided by the one to the nearest scan of "
        "any other subject, near 0 for a copy. All have gone through the autoencoder; training scans so treated show "
        "what copies would look like. Bands and brackets are 95 % bootstrap intervals over subjects or samples."
    ),
    alternative=(
        "Distances of samples and held-out scans from training scans, and cumulative distributions of the nearest one."
    ),
)

NEAREST = Figure(
    "figure_samples_nearest",
    public=False,
    title="Samples that stand out most towards one training scan",
    text=(
        "The unconditional samples with the lowest ratio of the distance to the nearest training scan and to the "
        "nearest scan of another subject, and that training scan (named above). " + PICTURES
    ),
    alternative="Samples, their nearest training scans and differences.",
)

STUDY = Study(
    name="samples",
    needs=frozenset({"training"}),
    splits=("train", "test"),
    order=70,
    sections=(
        Section("variation", "Variation", (VARIATION,)),
        Section(
            "samples",
            "Unconditional samples",
            (
                DISTANCES,
                Estimates(
                    "samples/distances.tsv",
                    ("kernel_y_sem", "kernel_octants", "frechet_y_sem_shrunk", "frechet_octants_shrunk"),
                    SAMPLES,
                    "Distance of equally many samples and held-out scans from the training scans (intervals: kernel by "
                    "bootstrap, Fréchet by jackknife)",
                    first="volumes",
                ),
                Estimates(
                    "samples/memorisation.tsv",
                    (
                        "nearest_training_rms_median",
                        "nearest_ratio_median",
                        "nearest_training_rms_auc",
                        "nearest_ratio_auc",
                    ),
                    SAMPLES,
                    "Nearest training scans: 0.5 in the last columns is what new subjects give, 1 what copies give",
                    first="volumes",
                ),
                NEAREST,
            ),
            link="Samples",
        ),
    ),
    tables=(Table("samples", public=True, keys=("kind",)),),
)
