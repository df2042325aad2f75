"""The record of the study: who of those with MCI becomes a patient with AD, and when."""

from dataclasses import replace

from ldae.studies.common.method_styles import GREEN, GREY, INK, LIGHT, OCHRE, PROBES, PURPLE, Method
from ldae.studies.common.study import (
    INTERVALS,
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
from ldae.studies.conversion.names import ADDED, CLINICAL, COMPARED, METRICS, ORACLE, OURS, PERMUTED, UNO

SUMMARY, DIFFERENCES, THIRDS = (f"conversion/{name}.tsv" for name in ("summary", "differences", "thirds"))
ROWS = {
    OURS: PROBES["ldae"],
    "untrained_encoder": PROBES["untrained_encoder"],
    "pca_voxels": PROBES["pca_voxels"],
    "region_volumes": replace(PROBES["region_volumes"], colour=OCHRE),
    "mmse": Method("MMSE", GREEN, "^"),
    "age": Method("Age", GREY, "<"),
    CLINICAL: Method("MMSE, age, volumes", INK, "s"),
    ADDED: Method("y$_{sem}$, MMSE, age, volumes", PURPLE, "D"),
    PERMUTED: Method("y$_{sem}$, permuted times (must read .5)", LIGHT, "X"),
    ORACLE: Method("True course (phantoms)", LIGHT, "P"),
}


def of(protocol: str) -> tuple[str, ...]:
    """The metrics under their names in a protocol."""
    return tuple(f"{metric}_{protocol}" for metric in METRICS)


IN_TABLE = PaperTable(SUMMARY, (*of("cv"), *of("test")))
FIGURE = Figure(
    "figure_conversion",
    public=True,
    title="From MCI to AD",
    text=(
        "Subjects at their first scan with MCI. a, share without AD (Kaplan and Meier) of the thirds by the risk that "
        "Cox's model on y<sub>sem</sub> says, out of fold. b, share who converted within 36 months over the mean risk "
        "that is said, of the same thirds; on the grey line a risk may be taken at its word. c, d, Uno's concordance "
        "up to 36 months, cross-validated and on test subjects; .5 (dashed) is chance. " + INTERVALS
    ),
    alternative="Curves without AD by predicted thirds, their calibration, and the concordance of several codes.",
    drawn_from=(SUMMARY, THIRDS),
    keys=("part", "month"),
)
HOW = Note(
    "A subject enters at the first scan with MCI. Time runs to the first visit with AD, or to the last visit with a "
    "diagnosis. Cox's proportional hazards with a ridge penalty (lifelines) are fitted on five principal components of "
    "y<sub>sem</sub>, or on what stands in the row; components are those of all scans of the subjects that are fitted "
    "on, whatever their diagnosis, and the penalty is chosen by the partial likelihood of held-out subjects. Test "
    "subjects are asked a model of training and validation subjects. Subjects whose follow-up ended early are stood "
    "for by the others (inverse probability of censoring weights). The p of Holm counts all comparisons of a protocol."
)
SAYS = Note(
    "What this says about ADNI, and what it cannot. Conversion is what a prognosis is for, and MMSE, age and two "
    "volumes are what a code has to beat. The day of a conversion is the day of a visit; only visits with a scan are "
    "known here, so that follow-up is shorter than ADNI's. Weights presume that who stays away is like who stays: "
    "those who decline drop out more. A diagnosis of AD leans on MMSE and memory, which favours MMSE over every scan. "
    "A phantom converts at a fixed stage of a straight course, which no patient does; its true course says how far the "
    "measures go, not how far a scan can."
)

STUDY = Study(
    name="conversion",
    needs=frozenset({"diagnosis", "training"}),
    order=44,
    sections=(
        Section(
            "conversion",
            "From MCI to AD",
            (
                Written("findings"),
                Written("subjects", "Subjects with MCI who were seen again"),
                FIGURE,
                Estimates(SUMMARY, of("cv"), ROWS, "Cross-validated", first="features"),
                Estimates(SUMMARY, of("test"), ROWS, "Test subjects", first="features"),
                Estimates(
                    DIFFERENCES,
                    tuple(f"{metric}_{protocol}" for protocol in ("cv", "test") for metric in COMPARED),
                    ROWS,
                    "Paired differences, first − second",
                    first="difference",
                ),
                HOW,
                SAYS,
            ),
            link="Conversion",
        ),
    ),
    tables=(
        Table("conversion", public=True),
        Table(
            "conversion_differences",
            public=True,
            keys=("features", "compared_with"),
            columns=("difference", "verdict", "p_holm"),
        ),
    ),
    headline=tuple(
        Headline(f"conversion_{UNO}_test_{method}", SUMMARY, method, f"{UNO}_test") for method in (OURS, CLINICAL)
    ),
    metrics=(
        Metric(
            UNO,
            "concordance up to 36 months: of two subjects the one who converts first has the higher risk. Pairs are "
            "weighted by the inverse probability of censoring, so that it does not depend on the follow-up",
            "0 to 1",
            "higher",
            source="Uno et al. 2011",
        ),
        Metric(
            "auc_36m",
            "area under the ROC curve of the risk for AD within 36 months against none, with inverse probability of "
            "censoring weights (cumulative cases, dynamic controls)",
            "0 to 1",
            "higher",
            source="Heagerty et al. 2000; Uno et al. 2007",
        ),
        Metric(
            "auc_smci_pmci_36m",
            "area under the ROC curve, progressive MCI (AD within 36 months) against stable MCI (a visit at 36 months "
            "or later, none with AD within them), without weights",
            "0 to 1",
            "higher",
        ),
        Metric(
            "brier_36m",
            "mean squared distance of the risk from 1 for AD within 36 months and 0 for none, with inverse probability "
            "of censoring weights",
            "0 to 1",
            "lower",
            source="Graf et al. 1999",
        ),
        Metric(
            "calibration_slope_36m",
            "slope of a logistic regression of AD within 36 months on the logit of the risk, with inverse probability "
            "of censoring weights; below 1 the risks are too extreme",
            "any",
            "1",
            source="Cox 1958",
        ),
        Metric(
            "calibration_in_the_large_36m",
            "mean risk less the share who converted within 36 months, both weighted; above 0 too many are expected to",
            "-1 to 1",
            "0",
        ),
        Metric(
            "not_converted", "share without AD by Kaplan and Meier", "0 to 1", "as it is", source="Kaplan & Meier 1958"
        ),
        Metric("risk_36m", "mean risk of AD within 36 months of a third", "0 to 1", "that of `converted_36m`"),
        Metric(
            "converted_36m",
            "share of a third who converted within 36 months, by Kaplan and Meier",
            "0 to 1",
            "that of `risk_36m`",
        ),
    ),
    methods={name: ROWS[name] for name in ("mmse", "age", CLINICAL, ADDED, PERMUTED, ORACLE)},
)
