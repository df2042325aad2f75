"""The record of the study: any code against y_sem, on every task."""

from ldae.studies.common.method_styles import GREEN, GREY, INK, OCHRE, OURS, PURPLE, RIVAL, Method
from ldae.studies.common.study import (
    Estimates,
    Figure,
    FinishedTable,
    Headline,
    Metric,
    Note,
    Section,
    Study,
    Table,
)

SUMMARY, DIFFERENCES, RANKS = "arena/summary.tsv", "arena/differences.tsv", "arena/ranks.tsv"
TASK_METRICS = ("auc_ad", "auc_smci_pmci", "age_mae", "auc_sex", "mmse_mae")
COMPETITORS = {
    "oracle": Method("True volumes (oracle)", GREY, "P"),
    "ldae": Method("LDAE y$_{sem}$", OURS, "o"),
    "latents_pooled": Method("Latents of the autoencoder, pooled", PURPLE, "v"),
    "latents_pca": Method("PCA of latents, fitted once as y$_{sem}$", PURPLE, ">"),
    "pca_voxels_once": Method("PCA of voxels, fitted once as y$_{sem}$", GREEN, "D"),
    "region_volumes": Method("Ventricles, hippocampi", GREEN, "p"),
    "tissue_volumes": Method("CSF, grey, white matter", GREEN, "d"),
    "age_sex": Method("Age and sex", OCHRE, "<"),
    "age_sex_volumes": Method("Age, sex and volumes", OCHRE, "h"),
    "supervised_features": Method("Supervised encoder, linear probe", INK, "H"),
    "untrained_encoder": Method("Untrained encoder", RIVAL, "s"),
    "dae": Method("Voxel-space DAE", PURPLE, "^"),
}


def of(protocol: str, *metrics: str) -> tuple[str, ...]:
    """Metrics under their names in a protocol."""
    return tuple(f"{metric}_{protocol}" for metric in metrics)


RANK_METRICS = ("rank_mean", *(f"rank_{metric}" for metric in TASK_METRICS))

FIGURE = Figure(
    "figure_arena",
    public=True,
    title="Arena of representations",
    text=(
        "Place of each code among all (1 is the best), by linear probes in the same folds and splits. Small marks: one "
        "task each; large marks: mean over the tasks that rest on enough subjects. Lines are 95 % intervals of that "
        "mean: every place that the paired differences between codes leave open, with doubt shared out among all "
        "comparisons, so that they are wide where codes are alike. Left: cross-validated; y<sub>sem</sub>, the "
        "latents and the PCA were fitted on the training scans, without labels. Right: test subjects, whom nothing "
        "of this run was fitted on. A code of the user's may know any of them."
    ),
    alternative="Mean rank over tasks of every code, with intervals, and its rank in each task.",
    drawn_from=(RANKS,),
)
NOTE = Note(
    "What this says of a cohort, and what it cannot. A code that stands before y<sub>sem</sub> beyond doubt holds more "
    "of these facts in a form that a straight line can read, in this cohort. It is not thereby the better code for "
    "editing or generating brains, and a place in a phantom's arena says nothing of real heads. Volumes measured "
    "in the scans need no training, so that a code behind them has not earned its cost by these tasks. Conversion and "
    "MMSE depend on who came back and who was tested."
)

STUDY = Study(
    name="arena",
    order=45,
    sections=(
        Section(
            "arena",
            "Arena of representations",
            (
                FIGURE,
                Estimates(
                    SUMMARY,
                    of("cv", *TASK_METRICS),
                    COMPETITORS,
                    "Cross-validated, folds grouped by subject",
                    first="code",
                ),
                Estimates(
                    SUMMARY,
                    of("test", *TASK_METRICS),
                    COMPETITORS,
                    "Fitted on training and validation subjects, applied to test subjects",
                    first="code",
                ),
                Estimates(
                    RANKS, of("cv", *RANK_METRICS), COMPETITORS, "Rank among all codes, cross-validated", first="code"
                ),
                Estimates(
                    DIFFERENCES,
                    (*of("cv", *TASK_METRICS), *of("test", *TASK_METRICS)),
                    COMPETITORS,
                    "Paired differences, first − second (AUC: above 0 is better; errors: below 0 is better)",
                    first="difference",
                ),
                FinishedTable("arena_codes", "Codes that were given (arena.codes), and what their guard found"),
                NOTE,
            ),
            link="Arena",
        ),
    ),
    tables=(
        Table("arena", public=True, keys=("protocol",)),
        Table("arena_differences", public=True, keys=("rival",), columns=("ldae_minus_rival", "verdict", "p_holm")),
        Table(
            "arena_codes",
            public=True,
            counted=False,
            keys=("code",),
            columns=(
                *("numbers_in_code", "rows_given", "scans_matched", "rows_without_scan", "rows_outside"),
                *("guard", "found", "allowed"),
            ),
        ),
    ),
    headline=(Headline("arena_rank_mean_cv", RANKS, "ldae", "rank_mean_cv"),),
    metrics=(
        Metric(
            "auc_smci_pmci",
            "area under the ROC curve of stable against progressive MCI: AD within `arena.conversion_months`, or known "
            "not to be",
            "0 to 1; chance 0.5",
            "higher",
        ),
        Metric("auc_sex", "area under the ROC curve of women against men", "0 to 1; chance 0.5", "higher"),
        Metric("mmse_mae", "mean absolute error of the Mini-Mental State Examination", "from 0", "lower", "points"),
        Metric(
            "rank_mean",
            "mean place of a code among all, over the tasks that rest on enough subjects",
            "from 1",
            "lower",
            source="Mogstad et al. 2024, for the intervals",
        ),
        *(
            Metric(
                f"rank_{metric}", f"place of a code among all by `{metric}`; of equal ones the mean", "from 1", "lower"
            )
            for metric in TASK_METRICS
        ),
    ),
    methods=COMPETITORS,
)
