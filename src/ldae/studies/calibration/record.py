"""The record of the study: calibration, decision curves and subgroups of the probes."""

from dataclasses import replace

from ldae.studies.calibration.names import CALL_ALL, METRICS
from ldae.studies.common.method_styles import LIGHT, OCHRE, PROBES, Method
from ldae.studies.common.study import (
    INTERVALS,
    Estimates,
    Figure,
    Headline,
    Metric,
    Note,
    Section,
    Study,
    Table,
    Written,
)

SUMMARY, CURVES, DECISIONS = "calibration/summary.tsv", "calibration/curves.tsv", "calibration/decisions.tsv"
SUBGROUPS, GAPS = "calibration/subgroups.tsv", "calibration/gaps.tsv"
TOLD = {
    "ldae": PROBES["ldae"],
    "pca_voxels": PROBES["pca_voxels"],
    "region_volumes": replace(PROBES["region_volumes"], colour=OCHRE),
    "supervised": PROBES["supervised"],
    CALL_ALL: Method("Call everybody", LIGHT, "X", (0, (1, 1))),
}


def of(protocol: str) -> tuple[str, ...]:
    """The metrics under their names in a protocol."""
    return tuple(f"{metric}_{protocol}" for metric in METRICS)


CALIBRATED = Figure(
    "figure_calibration",
    public=True,
    title="Probabilities of AD, and decisions by them",
    text=(
        "Top: the scans in up to five equal parts by their probability, and the share of AD among them; on the grey "
        "line a probability may be taken at its word. Below: net benefit of calling AD from a probability on, where a "
        "false call costs as much as the odds of that probability say; the dotted line calls everybody, at 0 nobody is "
        "called. A code is of use for a decision where it lies above both. Lines at the marks of y<sub>sem</sub> are "
        "95 % intervals over subjects; those of the others stand in the table."
    ),
    alternative="Share of AD over the predicted probability, and net benefit over the threshold, of several codes.",
    drawn_from=(CURVES, DECISIONS),
    keys=("part", "threshold"),
)
GROUPS = Figure(
    "figure_subgroups",
    public=True,
    title="For whom the probe errs",
    text=(
        "The probe of y<sub>sem</sub>, cross-validated, among the scans of each sex, third of age (of the subjects at "
        "their first scan), site, field strength and study phase. Age errors are those of controls. Last, of all "
        "scans: the share whose age lies in the interval of 90 % that all subjects outside the group set (line). Site "
        "A has most subjects; at most eight are drawn. " + INTERVALS
    ),
    alternative="AUC, sensitivity, specificity, age error and coverage of the age interval in every group.",
    drawn_from=(SUBGROUPS,),
    keys=("grouping", "level"),
)
NOTE = Note(
    "What this says of a cohort, and what it cannot. A probability is right for the share of AD among the scans that "
    "the probe was fitted on: where AD is rarer, as in any clinic, it is too high until it is set anew for that share, "
    "and so is every net benefit. A gap between groups that chance does not explain says that the probe errs unevenly, "
    "not why: patients of one group may be more ill, and the phases of ADNI recruited by other rules. A gap that "
    "chance explains may still be one: small groups hide much."
)

STUDY = Study(
    name="calibration",
    order=42,
    sections=(
        Section(
            "calibration",
            "Calibration and subgroups",
            (
                CALIBRATED,
                Written("findings"),
                Estimates(SUMMARY, of("cv"), PROBES, "Cross-validated", first="features"),
                Estimates(SUMMARY, of("test"), PROBES, "Test subjects", first="features"),
                GROUPS,
                Written("gaps", "The largest gap of the probe of y_sem between groups, and how large it is by chance"),
                NOTE,
            ),
            link="Calibration",
        ),
    ),
    tables=(
        Table("calibration", public=True, keys=("protocol",)),
        Table("subgroups", public=False),  # its figure leaves with what is hidden beside few, too
        Table("subgroup_gaps", public=True, keys=("grouping",), columns=("gap", "chance", "p_holm")),
    ),
    headline=(Headline("calibration_slope_ad_test", SUMMARY, "ldae", "calibration_slope_ad_test"),),
    needs=frozenset({"diagnosis"}),
    metrics=(
        Metric(
            "brier_ad",
            "mean squared distance of the probability of AD from 1 for AD and 0 for CN",
            "0 to 1; 0.25 for a half for everybody",
            "lower",
            source="Brier 1950",
        ),
        Metric(
            "calibration_slope_ad",
            "slope of a logistic regression of the diagnosis on the logit; below 1 the probabilities are too extreme",
            "any",
            "1",
            source="Cox 1958",
        ),
        Metric(
            "calibration_in_the_large_ad",
            "mean probability of AD less the share of AD; above 0 AD is expected too often",
            "-1 to 1",
            "0",
        ),
        Metric(
            "age_coverage",
            "share of the scans of a group whose age lies in the interval of 90 % that the errors on all subjects "
            "outside the group set",
            "0 to 1",
            "0.9",
            source="Vovk, Gammerman & Shafer 2005",
        ),
        Metric("probability_ad", "mean probability of AD of one part of the scans", "0 to 1", "that of `share_ad`"),
        Metric("share_ad", "share of AD in one part of the scans", "0 to 1", "that of `probability_ad`"),
        Metric(
            "net_benefit_ad",
            "true calls less false ones at the odds of the threshold, as a share of all scans",
            "up to the share of AD",
            "higher; calling nobody is 0",
            source="Vickers & Elkin 2006",
        ),
    ),
    methods={CALL_ALL: TOLD[CALL_ALL]},
)
