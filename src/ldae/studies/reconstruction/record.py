"""The record of the study: how well scans are rebuilt, by which code and solver (paper Table 6, Figure 3)."""

from ldae.studies.common.method_styles import RECONSTRUCTION
from ldae.studies.common.study import (
    INTERVALS,
    PICTURES,
    Card,
    CodesRead,
    Estimates,
    Figure,
    FinishedTable,
    Headline,
    Note,
    PaperTable,
    Section,
    Study,
    Table,
    Written,
)
from ldae.studies.reconstruction.published import METRICS as PUBLISHED_METRICS
from ldae.studies.reconstruction.published import published

SUMMARY, DIFFERENCES, VENTRICLES = (f"reconstruction/{name}.tsv" for name in ("summary", "differences", "ventricles"))
SIMILARITY = "ssim_w11_brain"
METRICS = (SIMILARITY, "ssim_w11", "ssim_w3_paper", "mse", "psnr")
PUBLISHED = {
    (method, metric): text
    for method in RECONSTRUCTION
    for metric in PUBLISHED_METRICS
    if (text := published(method, metric)) is not None
}
IN_TABLE = PaperTable(
    SUMMARY,
    ("ssim_w3_paper", "ssim_w11", SIMILARITY, "mse", "psnr", "lpips_squeeze_fake3d", "lpips_paper_half"),
    PUBLISHED,
)
IN_CARD = {  # method -> the words for its similarity in the model card
    "ae": "SSIM of the autoencoder's reconstructions (window 11, inside the brain, test subjects)",
    "mean_volume": "the same for the mean of the training volumes",
    "ldae_encoded": "the same for LDAE from the encoded x_T and y_sem",
    "ldae_noise": "the same for LDAE from noise and y_sem",
}

METHODS = Figure(
    "figure_reconstruction_methods",
    public=True,
    title="Reconstruction by method",
    text=(
        "Test scans reconstructed by the autoencoder alone; by the diffusion model from an encoded x<sub>T</sub>, with "
        "and without y<sub>sem</sub>; from y<sub>sem</sub> and a random x<sub>T</sub>; from another subject's "
        "y<sub>sem</sub>; by the voxel-space diffusion autoencoder (DAE), up-sampled from its coarser grid or compared "
        "there with the scan on that grid; and what all have to beat: the mean training brain, the training scan of "
        "the same sex and nearest age. a, structural similarity in the brain "
        "(Gaussian window of 11 voxels). b, peak signal-to-noise ratio. c, structural similarity of the whole box "
        "with the paper's window of 3 voxels. d, correlation of ventricle volumes measured in the reconstructions with "
        "the true ones, or with those of the scans where no truth is known. " + INTERVALS
    ),
    alternative="Reconstruction methods compared on similarity, signal-to-noise ratio and ventricle volume.",
    drawn_from=(SUMMARY, VENTRICLES),
)

SOLVERS = Figure(
    "figure_solvers",
    public=True,
    title="Quality against cost",
    text=(
        "The same test scans with every solver and number of steps of the configuration: network calls in each "
        "direction, so an encoded x<sub>T</sub> costs twice as many as a random one. a and b, structural similarity in "
        "the brain and of the whole box. c, peak signal-to-noise ratio. d, standard deviation of the inverted "
        "x<sub>T</sub>, which is 1 where inversion ends in noise. " + INTERVALS
    ),
    alternative="Curves of similarity, signal-to-noise ratio and spread of the inverted code against network calls.",
    drawn_from=("solvers/summary.tsv",),
    keys=("solver", "steps"),
)

AUTOENCODER = Figure(
    "figure_3_autoencoder",
    public=False,
    title="Figure 3. Autoencoder",
    text="Two test scans, their reconstructions from posterior means, and the signed difference. " + PICTURES,
    alternative="Scan, reconstruction and difference map in axial, coronal and sagittal planes for two test subjects.",
)

EXAMPLES = Figure(
    "figure_reconstruction_examples",
    public=False,
    title="Reconstructions side by side",
    text="One axial slice of two test scans, reconstructed by every method, with signed differences. " + PICTURES,
    alternative="Axial slices reconstructed by each method with difference maps.",
)

HEADLINE = (
    *(
        Headline(f"{method}_{SIMILARITY}", SUMMARY, method, SIMILARITY, in_card=IN_CARD.get(method, ""))
        for method in ("ae", "mean_volume", "lddim_encoded", "ldae_encoded", "ldae_noise", "ldae_shuffled_y")
    ),
    *(
        Headline(f"{method}_ventricle_r", VENTRICLES, method, "r_truth")
        for method in ("ae", "lddim_encoded", "ldae_encoded", "ldae_noise", "ldae_shuffled_y")
    ),
    *(
        Headline(f"{first}_minus_{second}_{SIMILARITY}", DIFFERENCES, f"{first}-{second}", SIMILARITY)
        for first, second in (
            ("ae", "mean_volume"),
            ("ldae_noise", "ldae_shuffled_y"),
            ("ldae_encoded", "ldae_noise"),
        )
    ),
)

CARDS = (
    Card(
        40,
        "Autoencoder: SSIM in the brain",
        SUMMARY,
        "ae",
        (SIMILARITY,),
        rival="mean_volume",
        rival_label="mean training brain",
    ),
    Card(
        50,
        "LDAE reconstruction: SSIM in the brain",
        SUMMARY,
        "ldae_encoded",
        (SIMILARITY,),
        rival="ae",
        rival_label="autoencoder alone",
    ),
    Card(
        60,
        "From y$_{sem}$ alone: SSIM in the brain",
        SUMMARY,
        "ldae_noise",
        (SIMILARITY,),
        rival="mean_volume",
        rival_label="mean training brain",
    ),
    Card(
        70,
        "Ventricle volume after LDAE reconstruction: r",
        VENTRICLES,
        "ldae_encoded",
        ("r_truth", "r_original"),
        rival="ae",
        rival_label="autoencoder alone",
    ),
)

STUDY = Study(
    name="reconstruction",
    order=30,
    sections=(
        Section(
            "reconstruction",
            "Reconstruction",
            (
                Estimates(SUMMARY, METRICS, RECONSTRUCTION, "Reconstruction of test scans", published=PUBLISHED),
                Note(
                    "The paper's numbers in this table are those of 100 steps of DDIM. How many were taken here stands "
                    "below, and in the table of solvers each is beside the paper's of as many steps."
                ),
                Written("mean_brain"),
                CodesRead("reconstruction/reads.tsv"),
                METHODS,
                Estimates(
                    DIFFERENCES,
                    METRICS,
                    RECONSTRUCTION,
                    "Paired differences between methods, first − second",
                    first="difference",
                ),
                SOLVERS,
                FinishedTable(
                    "solvers",
                    "By solver and number of steps (network calls in each direction), with the moments of x_T; the "
                    "paper's settings that were not run here stand there without a number of ours",
                ),
                CodesRead("solvers/reads.tsv"),
                Estimates(
                    VENTRICLES,
                    ("r_truth", "r_original", "ventricle_ml_error", "ventricle_ml_error_mapped"),
                    RECONSTRUCTION,
                    "Ventricle volume in the reconstructions",
                ),
                Note(
                    "Errors of the ventricles: mean absolute difference from the scan's own. Raw: as measured in the "
                    "decoded volume, which is smoother than a scan and is measured smaller. Mapped: brought to the "
                    "scans' scale by a line fitted on reconstructions of training scans, without any truth."
                ),
                AUTOENCODER,
                EXAMPLES,
            ),
        ),
    ),
    tables=(
        Table("reconstruction", public=True, columns=("values_in_code",)),
        Table("solvers", public=True, keys=("solver", "steps")),
    ),
    headline=HEADLINE,
    cards=CARDS,
)
