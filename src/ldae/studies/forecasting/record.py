"""The record of the study: the next visit from one or two earlier ones."""

from ldae.studies.common.method_styles import GREEN, GREY, INK, LIGHT, OCHRE, OURS, PURPLE, RIVAL, Method
from ldae.studies.common.study import (
    INTERVALS,
    Card,
    CodesRead,
    Estimates,
    Figure,
    Headline,
    Metric,
    Note,
    PaperTable,
    Section,
    Study,
    Table,
    Written,
)
from ldae.studies.forecasting.names import METRICS

ONE, TWO, DIFFERENCES = (f"forecasting/{name}.tsv" for name in ("one_visit", "two_visits", "differences"))
BY_GROUP = "forecasting/by_group.tsv"
ROWS = {
    "ldae_slope": Method("y$_{sem}$, the subject's own slope", OURS, "o"),
    "ldae_mean_slope": Method("y$_{sem}$, mean slope", OURS, "D"),
    "ldae_ridge": Method("y$_{sem}$, ridge", OURS, "s"),
    "latent_slope": Method("Latents, own slope (as MRExtrap)", GREEN, "o"),
    "latent_mean_change": Method("Latents, mean change (as MRExtrap)", GREEN, "D"),
    "voxel_slope": Method("Voxels, own slope", PURPLE, "o"),
    "voxel_mean_change": Method("Voxels, mean change", PURPLE, "D"),
    "volume_ridge": Method("Ridge of volumes (no network)", INK, "s"),
    "carried_forward": Method("Last diagnosis and MMSE", INK, "^"),
    "copy_last": Method("Copy of the last scan", OCHRE, "^"),
    "latent_copy": Method("Last scan, through the autoencoder", GREY, "^"),
    "ldae_copy": Method("Last scan, decoded from its codes", GREY, "o"),
    "ldae_reversed": Method("y$_{sem}$, slope reversed (must fail)", RIVAL, "X"),
    "ldae_shuffled": Method("y$_{sem}$, another's slope (must fail)", RIVAL, "P"),
    "true_code": Method("True next y$_{sem}$, last x$_{T}$", LIGHT, "o"),
    "ae": Method("Next scan, through the autoencoder", LIGHT, "P"),
}
IN_TABLE = {name: PaperTable(source, METRICS) for name, source in (("one_visit", ONE), ("two_visits", TWO))}

FIGURE = Figure(
    "figure_forecasting",
    public=True,
    title="The next visit from one or two earlier ones",
    text=(
        "Next visits of test subjects forecast from the visit before (left) and from the two before (right); a slope "
        "of the subject's own needs two. The last scan decoded from its codes, or through the autoencoder, forecasts "
        "no change either; how its picture errs is in the tables. a, b, error of the picture in the brain. c, d, error "
        "of the ventricles' change since the last visit: copying forecasts none (dashed). e, f, the same of the "
        "hippocampal region. g, h, how well the probe of the forecast code tells AD from CN at the next visit. i, j, "
        "error of the MMSE that is read from it. k, l, error of the ventricles' change by the gap, to the nearest half "
        "year, and by the diagnosis at the last visit, one visit known. " + INTERVALS
    ),
    alternative="Forecasts of the next visit compared, from one and from two visits, by gap and by diagnosis.",
    drawn_from=(ONE, TWO, BY_GROUP),
    keys=("visits_known", "grouping", "level"),
)
HOW = Note(
    "A next visit is at least 0.2 years later. y<sub>sem</sub> goes on along a straight line and is decoded with the "
    "x<sub>T</sub> of the last visit. Mean slopes, ridges, probes and lines of volumes are fitted on training and "
    "validation subjects. A change of volumes is that between two pictures of one kind: a decoded forecast and the "
    "decoded last visit, so that what the networks do to every picture cancels. The line through the latents is that "
    "of MRExtrap (Kapoor, Macke and Baumgartner), without its Bayesian updating. The p of Holm counts three questions "
    "apart, and one and two known visits: better than copying the last visit, better than the last visit decoded, "
    "better than the same line through the latents."
)
SAYS = Note(
    "What this says about ADNI, and what it cannot. Every number but those against true volumes can be had in ADNI, "
    "and the question is the same there: does a forecast beat no forecast? Between two visits a brain changes by less "
    "than two scans of it differ, so that errors of pictures are mostly noise, blur and position, and who only copies "
    "is hard to beat. Volumes are estimates, whose own noise is in every error and in every slope of two visits. "
    "Diagnosis and score depend on who came back. A phantom grows worse along a line, which no patient promises: where "
    "a straight line wins there, it has passed the easier test; where it loses there, it has no claim in patients."
)


def _tables(source: str, words: str) -> tuple[Estimates, ...]:
    """The estimates of one number of known visits."""
    return (
        Estimates(source, METRICS[:4], ROWS, f"From {words}: picture and ventricles", first="forecast"),
        Estimates(source, METRICS[4:8], ROWS, f"From {words}: changes of volumes", first="forecast"),
        Estimates(source, METRICS[8:], ROWS, f"From {words}: code, diagnosis and MMSE", first="forecast"),
    )


STUDY = Study(
    name="forecasting",
    needs=frozenset({"training"}),
    order=67,
    sections=(
        Section(
            "forecasting",
            "The next visit",
            (
                Written("findings"),
                Written("drawn"),
                CodesRead("forecasting/reads.tsv"),
                FIGURE,
                *_tables(ONE, "one visit"),
                *_tables(TWO, "two visits"),
                *(
                    Estimates(
                        DIFFERENCES,
                        metrics,
                        ROWS,
                        f"Paired differences, first − second: {words}",
                        first="difference",
                        across="visits_known",
                        across_words="{} known",
                    )
                    for words, metrics in (
                        ("picture and ventricles (above 0 is worse)", ("mae_brain", "ventricle_ml_step_error")),
                        ("AUC (below 0 is worse) and MMSE (above 0 is worse)", ("auc_future_ad", "future_mmse_mae")),
                    )
                ),
                HOW,
                SAYS,
            ),
            link="Forecasting",
        ),
    ),
    tables=(
        Table("forecasting_one_visit", public=True),
        Table("forecasting_two_visits", public=True),
        Table(
            "forecasting_differences",
            public=True,
            keys=("visits_known", "forecast", "compared_with"),
            columns=("difference", "verdict", "p_holm"),
        ),
    ),
    headline=tuple(
        Headline(f"forecasting_{words}_{metric}_{method}", source, method, metric)
        for words, source, ours in (("one", ONE, "ldae_ridge"), ("two", TWO, "ldae_slope"))
        for method in (ours, "copy_last")
        for metric in ("mae_brain", "ventricle_ml_step_error", "auc_future_ad", "future_mmse_mae")
    ),
    cards=(
        Card(
            98,
            "Next visit: error of the ventricles' change (ml)",
            ONE,
            "ldae_ridge",
            ("ventricle_ml_step_error",),
            rival="copy_last",
            rival_label="copy of the last visit",
        ),
    ),
    metrics=(
        Metric(
            "mae_brain",
            "mean absolute difference of the forecast and the next scan, over the brain of that scan",
            "from 0",
            "lower",
        ),
        Metric(
            "ventricle_ml_step_error",
            "absolute error of the ventricles' change from the last visit to the next. The forecast's is measured "
            "between two pictures of one kind (a decoded forecast and the decoded last visit) and brought to the scale "
            "of scans",
            "from 0",
            "lower",
            "ml",
        ),
        Metric(
            "ventricle_ml_step_error_truth",
            "the same against the true volumes of a phantom, to which a line fitted on training scans leads",
            "from 0",
            "lower",
            "ml",
        ),
        Metric(
            "hippocampus_region_ml_step_error",
            "error of the same change of tissue in the hippocampal region, as it is measured",
            "from 0",
            "lower",
            "ml",
        ),
        Metric(
            "hippocampus_ml_step_error_truth",
            "the same of the true hippocampi of a phantom; a line fitted on training scans leads to them",
            "from 0",
            "lower",
            "ml",
        ),
        Metric(
            "ventricle_ml_step_r",
            "correlation over next visits of the forecast change of the ventricles and the measured one",
            "−1 to 1",
            "higher",
        ),
        Metric(
            "code_error",
            "root mean square, over its numbers, of the forecast y_sem minus that of the next scan, in standard "
            "deviations of the training scans",
            "from 0",
            "lower",
        ),
        Metric(
            "auc_future_ad",
            "area under the ROC curve of the probe of AD, fitted on training subjects and asked of the forecast code, "
            "for AD against CN at the next visit",
            "0 to 1",
            "higher",
        ),
        Metric(
            "future_mmse_mae",
            "mean absolute error of the Mini-Mental State Examination at the next visit, read from the forecast code",
            "from 0",
            "lower",
            "points",
        ),
    ),
    methods=ROWS,
)
