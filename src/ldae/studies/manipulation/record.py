"""The record of the study: scans whose semantic code is moved (paper Figures 6 and 7)."""

from ldae.studies.common.method_styles import DIRECTIONS
from ldae.studies.common.study import (
    INTERVALS,
    PICTURES,
    Card,
    CodesRead,
    Estimates,
    Figure,
    Headline,
    Note,
    PaperTable,
    Section,
    Study,
    Table,
)

SUMMARY = "manipulation/summary.tsv"
METRICS = (
    "ventricle_ml_change_mapped_plus_ad",
    "ventricle_ml_change_mapped_size_plus_ad",
    "ventricle_ml_change_plus_ad",
    "ventricle_ml_change_mapped_minus_ad",
    "ventricle_ml_change_minus_ad",
    "ventricle_ml_spearman_mean",
    "hippocampus_region_ml_change_plus_ad",
    "brain_ml_change_plus_ad",
    "ssim_w11_outside_ae_gap_plus_ad",
    "intensity_outside_change_plus_ad",
    "probability_reencoded_plus_ad",
    "probability_reencoded_minus_ad",
)
BESIDE_THE_TRUTH = (
    "ventricle_ml_change_calibrated_plus_ad_mean",
    "ventricle_ml_change_truth_plus_ad_mean",
    "ventricle_ml_change_calibrated_gap_truth_plus_ad_mean",
    "ventricle_ml_change_calibrated_minus_ad_mean",
    "ventricle_ml_change_truth_minus_ad_mean",
    "ventricle_ml_change_calibrated_gap_truth_minus_ad_mean",
    "ventricle_ml_change_r_truth_plus_ad",
    "ventricle_ml_change_r_truth_minus_ad",
    "ventricle_ml_per_step_r_truth_plus_ad",
    "ventricle_ml_per_step_r_truth_minus_ad",
    "ventricle_ml_per_step_r_own_plus_ad",
    "ventricle_ml_per_step_truth_r_own_plus_ad",
    "ventricle_ml_per_step_r_own_minus_ad",
    "ventricle_ml_per_step_truth_r_own_minus_ad",
)
IN_TABLE = PaperTable(  # no number was published
    SUMMARY,
    (
        "ventricle_ml_change_plus_ad",
        "ventricle_ml_change_minus_ad",
        "ventricle_ml_change_plus_minus_ad",
        "ventricle_ml_change_cn_to_ad",
        "ventricle_ml_change_ad_to_cn",
        "ventricle_ml_change_mapped_plus_ad",
        "ventricle_ml_change_mapped_minus_ad",
        "ventricle_ml_change_mapped_plus_minus_ad",
        "ventricle_ml_change_mapped_size_plus_ad",
        "ventricle_ml_change_mapped_size_minus_ad",
        "ventricle_ml_change_mapped_cn_to_ad",
        "ventricle_ml_change_mapped_ad_to_cn",
        "ventricle_ml_change_truth_plus_ad",
        "ventricle_ml_change_error_truth_plus_ad",
        "ventricle_ml_change_mapped_error_truth_plus_ad",
        "ventricle_ml_change_calibrated_plus_ad",
        "ventricle_ml_change_calibrated_error_truth_plus_ad",
        "ventricle_ml_change_truth_minus_ad",
        "ventricle_ml_change_error_truth_minus_ad",
        "ventricle_ml_change_mapped_error_truth_minus_ad",
        "ventricle_ml_change_calibrated_minus_ad",
        "ventricle_ml_change_calibrated_error_truth_minus_ad",
        "ventricle_ml_change_plus_ad_mean",
        "ventricle_ml_change_mapped_plus_ad_mean",
        "ventricle_ml_change_truth_plus_ad_mean",
        "ventricle_ml_change_calibrated_plus_ad_mean",
        "ventricle_ml_change_calibrated_gap_truth_plus_ad_mean",
        "ventricle_ml_change_calibrated_gap_truth_minus_ad_mean",
        "ventricle_ml_change_r_truth_plus_ad",
        "ventricle_ml_per_step_r_truth_plus_ad",
        "ventricle_ml_per_step_r_own_plus_ad",
        "ventricle_ml_per_step_truth_r_own_plus_ad",
        "ventricle_ml_change_r_truth_minus_ad",
        "ventricle_ml_per_step_r_truth_minus_ad",
        "ventricle_ml_spearman",
        "ventricle_ml_spearman_mean",
        "ventricle_ml_spearman_plus_ad",
        "ventricle_ml_spearman_minus_ad",
        "hippocampus_region_ml_change_plus_ad",
        "hippocampus_region_ml_change_minus_ad",
        "brain_ml_change_plus_ad",
        "brain_ml_change_minus_ad",
        "ssim_w11_outside_plus_ad",
        "ssim_w11_outside_minus_ad",
        "ssim_w11_outside_ae_gap_plus_ad",
        "ssim_w11_outside_ae_gap_minus_ad",
        "intensity_outside_change_plus_ad",
        "intensity_outside_change_minus_ad",
        "probability_reencoded_plus_ad",
        "probability_reencoded_minus_ad",
        "probability_reencoded_plus_minus_ad",
        "probability_reencoded_spearman",
    ),
)
IN_HEADLINE = {  # direction -> its metrics
    "probe": (
        "ventricle_ml_change_mapped_plus_ad",
        "ventricle_ml_change_mapped_minus_ad",
        "ventricle_ml_change_mapped_plus_minus_ad",
        "ventricle_ml_change_plus_ad",
        "ventricle_ml_change_minus_ad",
        "ventricle_ml_change_plus_minus_ad",
        "ventricle_ml_change_cn_to_ad",
        "ventricle_ml_change_ad_to_cn",
        "ventricle_ml_spearman_plus_ad",
        "ventricle_ml_spearman_minus_ad",
        "probability_reencoded_spearman",
        "probability_reencoded_plus_minus_ad",
        "ssim_w11_outside_ae_gap_plus_ad",
        "ssim_w11_outside_ae_gap_minus_ad",
    ),
    "random": (
        "ventricle_ml_change_mapped_plus_minus_ad",
        "ventricle_ml_change_plus_minus_ad",
        "ventricle_ml_spearman_mean",
        "probability_reencoded_plus_minus_ad",
    ),
}

COUNTERFACTUALS = Figure(
    "figure_6_manipulation",
    public=False,
    title="Figure 6. Moving a scan along the diagnosis probe",
    text=(
        "The codes of two test scans are moved along the unit direction of a probe fitted on training subjects until "
        "the probe gives the stated probability of AD (α: distance in standardised units; ml: ventricles of the "
        "decoded picture, mapped to the scans' scale by a line fitted on reconstructions of training scans without "
        "any truth, and raw as measured), and decoded with the scan's own x<sub>T</sub>. Below each, its difference "
        "from the decoding of the unmoved code. True counterfactual, for phantoms: the same head, made again with "
        "the stage of the disease that the change of the probe's logit lets expect (regression over the training "
        "scans; ml: true ventricles), beside the clean twin of the scan. For the first scan also the paper's fixed "
        "steps. " + PICTURES
    ),
    alternative=(
        "Strips of decoded brains over probabilities of AD with difference maps, and true counterfactuals below."
    ),
)

DOSE_RESPONSE = Figure(
    "figure_7_dose_response",
    public=False,
    title="Figure 7. Dose and response",
    text=(
        "a, change of the ventricles against the probability aimed at, mapped to the scans' scale (a line fitted on "
        "reconstructions of training scans, without any truth): thin lines are subjects, points medians by "
        "diagnosis, the dotted line is the median of all as measured (raw); where the truth is known, the dashed "
        "line is the true counterfactual and the solid one the median change in true ml, by a second line of the "
        "same scans. b, tissue in the region of the hippocampi, by the same estimator. c, what the probe says of the "
        "decoded volume when it is encoded again. d, the ends of the calibrated steps, mapped as in a, for the probe "
        "and its controls of equal length. e, the paper's fixed steps, mapped as in a: scans with AD move towards "
        "CN, the others towards AD. f, similarity to the scan outside both regions, less the autoencoder's, "
        "absolute; colours as in d; the dashed line is 0.05. " + INTERVALS
    ),
    alternative="Ventricles, hippocampal region and probability against the dose, with controls and changes elsewhere.",
)

STUDY = Study(
    name="manipulation",
    order=60,
    sections=(
        Section(
            "manipulation",
            "Manipulation",
            (
                COUNTERFACTUALS,
                DOSE_RESPONSE,
                Estimates(
                    SUMMARY,
                    METRICS,
                    DIRECTIONS,
                    "Test subjects, probe and control directions: medians, and where it says so means",
                    first="direction",
                ),
                Note(
                    "A random direction is drawn for each scan, at right angles to the probe, and the code is moved as "
                    "far as along the probe. Over scans such changes cancel: a median with its sign is near 0 whatever "
                    "their size, and the median size stands beside it. The rank correlation counts the unmoved "
                    "scan and all calibrated doses of the probe, and of a control the two ends alone."
                ),
                Estimates(
                    SUMMARY,
                    BESIDE_THE_TRUTH,
                    DIRECTIONS,
                    "Do the right subjects change? Over subjects, beside the true counterfactual where it is known",
                    first="direction",
                ),
                Note(
                    "For an equal step: the change divided by the distance α, without the subjects who hardly had to "
                    "be moved. The true counterfactual stays within the stages of the disease that the training "
                    "subjects have: where the probe asks for more, the true change is cut off there."
                ),
                CodesRead("manipulation/reads.tsv"),
            ),
        ),
    ),
    tables=(Table("manipulation", public=True),),
    headline=tuple(
        Headline(metric if direction == "probe" else f"{direction}_{metric}", SUMMARY, direction, metric)
        for direction, metrics in IN_HEADLINE.items()
        for metric in metrics
    ),
    cards=(
        Card(
            90,
            "Moved towards AD: median change of ventricles in ml, on the scans' scale",
            SUMMARY,
            "probe",
            ("ventricle_ml_change_mapped_plus_ad",),
            rival="random",
            rival_label="random direction, whichever way",
            rival_metric="ventricle_ml_change_mapped_size_plus_ad",
        ),
    ),
)
