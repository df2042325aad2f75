"""The record of the study: a visit from the visits around it (paper Figures 8 and 9)."""

from ldae.studies.common.method_styles import INTERPOLATION
from ldae.studies.common.study import (
    INTERVALS,
    PICTURES,
    Card,
    CodesRead,
    Estimates,
    Figure,
    Headline,
    PaperTable,
    Section,
    Study,
    Table,
    Written,
)

SUMMARY, DIFFERENCES = "interpolation/summary.tsv", "interpolation/differences.tsv"
SIMILARITY = "ssim_w11_brain"
TRUTHS = ("ventricle_ml_error_truth", "ventricle_ml_error_truth_calibrated_by_kind")
VENTRICLES = ("ventricle_ml_error", "ventricle_ml_error_mapped")
METRICS = (SIMILARITY, "mse", *VENTRICLES, *TRUTHS, "ssim_w4_paper")
PUBLISHED = {  # six months between the outer scans, against the AE reconstruction
    (method, metric): value
    for method in ("ldae", "ldae_months")  # the paper's place is that of months
    for metric, value in (("ssim_w4_paper", "0.969 (6 months)"), ("mse_vs_ae", "0.0019 (6 months)"))
}
IN_TABLE = PaperTable(
    SUMMARY,
    (
        SIMILARITY,
        "mse",
        *VENTRICLES,
        *TRUTHS,
        "ventricle_change_ml_error_truth",
        "ssim_w11_brain_vs_ae",
        "mse_vs_ae",
        "ssim_w4_paper",
    ),
    PUBLISHED,
)
IN_HEADLINE = ("ldae", "y_only", "latent_lerp", "voxel_lerp", "copy_nearest", "ae")

PREDICTION = Figure(
    "figure_8_interpolation",
    public=True,
    title="Figure 8. Predicting a scan between two visits",
    text=(
        "Every triplet of visits of test subjects; the place between the outer two is taken from the dates of the "
        "scans (and, as the paper does, from the visits' names: one row). a, similarity of prediction and scan in the "
        "brain. b, error of the predicted ventricles against those of the scan, decoded volumes mapped to the scans' "
        "scale (a line fitted on reconstructions of training scans, without any truth); open circles: the raw error, "
        "without it. c, the paper's measure: similarity to "
        "the autoencoder's reconstruction of the target, in a small window, background included; d, mean squared error "
        "against the same. Below, the four by "
        "the months between the known visits, by the months to the nearer one, and by the place between them. "
        + INTERVALS
    ),
    alternative="Interpolation methods compared overall and against the time between visits.",
    drawn_from=(SUMMARY, "interpolation/by_group.tsv"),
    keys=("grouping", "level"),
)

EXAMPLES = Figure(
    "figure_9_interpolation_examples",
    public=False,
    title="Figure 9. Interpolated visits",
    text=(
        "The longest triplet of each of two test subjects. Below each picture its difference from the target scan. "
        + PICTURES
    ),
    alternative="Start, target and end scans with predictions of each method and difference maps.",
)

STUDY = Study(
    name="interpolation",
    order=50,
    sections=(
        Section(
            "interpolation",
            "Interpolation between visits",
            (
                Estimates(
                    SUMMARY, METRICS, INTERPOLATION, "Prediction of a visit between two others", published=PUBLISHED
                ),
                Written("drawn"),
                Written("calibration"),
                CodesRead("interpolation/reads.tsv"),
                PREDICTION,
                Estimates(
                    DIFFERENCES, METRICS, INTERPOLATION, "Paired differences, first − second", first="difference"
                ),
                EXAMPLES,
            ),
            link="Interpolation",
        ),
    ),
    tables=(Table("interpolation", public=True),),
    headline=(
        *(Headline(f"interpolation_ssim_{method}", SUMMARY, method, SIMILARITY) for method in IN_HEADLINE),
        *(
            Headline(f"interpolation_{truth}_{method}", SUMMARY, method, truth)
            for truth in TRUTHS
            for method in IN_HEADLINE
        ),
        *(
            Headline(f"interpolation_ssim_ldae_minus_{rival}", DIFFERENCES, f"ldae-{rival}", SIMILARITY)
            for rival in ("copy_nearest", "voxel_lerp")
        ),
    ),
    cards=(
        Card(
            80,
            "Interpolated visit: SSIM in the brain",
            SUMMARY,
            "ldae",
            (SIMILARITY,),
            rival="copy_nearest",
            rival_label="copy of the nearest scan",
        ),
    ),
)
