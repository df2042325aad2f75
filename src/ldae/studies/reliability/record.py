"""The record of the study: travelling phantoms."""

from ldae.studies.common.method_styles import GREEN, INK, LIGHT, OCHRE, OURS, PURPLE, RIVAL, Method
from ldae.studies.common.study import (
    INTERVALS,
    Card,
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
from ldae.studies.reliability.names import DIMENSIONS, ICC, OF, PARTS, PREDICTIONS, READS, SCANNER

SUMMARY, DIFFERENCES = "reliability/summary.tsv", "reliability/differences.tsv"
PLAIN = {
    "ldae": Method("LDAE y$_{sem}$", OURS, "o"),
    "latents_pooled": Method("AE latent, pooled", GREEN, "o"),
    "pca_coarse": Method("PCA of coarse voxels", PURPLE, "o"),
    "region_volumes": Method("Measured volumes", OCHRE, "o"),
    "untrained_encoder": Method("Untrained encoder (control)", RIVAL, "o"),
    "oracle": Method("True volumes (must pass)", INK, "P"),
    "noise": Method("Noise (must fail)", LIGHT, "X"),
}
ROWS = {
    twin: Method(f"{method.label}, after ComBat" if twin != name else method.label, method.colour, marker)
    for name, method in PLAIN.items()
    for twin, marker in ((name, method.marker), (f"{name}_combat", "s"))
}
OF_PREDICTIONS = tuple(f"{icc}_{task}" for task in PREDICTIONS for icc in ICC)
SHARES = {target: tuple(f"share_{part}_{target}" for part in PARTS) for target in OF}
IN_TABLE = (*OF_PREDICTIONS, *DIMENSIONS, *SHARES["code"], *SHARES["ad"], *SCANNER, READS)

FIGURE = Figure(
    "figure_reliability",
    public=True,
    title="Travelling phantoms",
    text=(
        "The same heads on several scanners, twice or more on each. a, b, agreement between scanners, ICC(2,1), of the "
        "logit of AD and of the predicted age (dashed: the goal, .93). c, median of the same over the code's "
        "dimensions. d, agreement of scans of one head on one scanner. e, how often the scanner is read rightly from "
        "the codes of other heads (dashed: chance). f, part of the code's variance that is the scanner's. Squares: "
        "after ComBat, fitted on other heads. " + INTERVALS
    ),
    alternative="Intraclass correlations and what the scanner leaves in each code.",
    drawn_from=(SUMMARY,),
)
HOW = Note(
    "Heads of test subjects, made again on the day of their first scan. A scanner has its own contrast curve, voxels, "
    "coil, noise and gain, and every session its own pose, contrast, inhomogeneity and noise; N4 and the scale of "
    "intensities are the cohort's, brain mask and registration the true ones. Probes are fitted on training and "
    "validation subjects. ICC(2,1): agreement of single scans on different scanners; ICC(3,1): the same where what a "
    "scanner adds to all heads does not count; retest, ICC(1,1): on one scanner (Shrout and Fleiss, 1979; McGraw and "
    "Wong, 1996). Shares of variance by analysis of variance, heads within diagnoses. The scanner is read by a ridge "
    "classifier; its p is from scanners permuted within every head. ComBat after Johnson et al., 2007, without "
    "covariates, since the heads are the same everywhere. The AUC beside them says what a reliable number is worth."
)
SAYS = Note(
    "What this says about ADNI, and what it cannot. What differs between two scans of a phantom is a scanner and "
    "nothing else, so that a code which fails here cannot be trusted across the sites of ADNI, and a scanner that can "
    "be read here can be read there. It cannot say how reliable a code is in people: the scanners are variations of "
    "one model that the training has seen, brain mask and registration are perfect, nobody moves, and heads of all "
    "ages and diagnoses are compared, which raises every intraclass correlation. ADNI has back-to-back scans of one "
    "visit, but the conversion to BIDS keeps one image of each, so that a retest in people is not available here. Nor "
    "is reliability a merit by itself: an encoder without training can have it."
)

STUDY = Study(
    name="reliability",
    order=48,
    needs=frozenset({"training", "truth"}),
    sections=(
        Section(
            "reliability",
            "Travelling phantoms: reliability",
            (
                Written("findings"),
                FIGURE,
                Estimates(SUMMARY, OF_PREDICTIONS, ROWS, "Intraclass correlations of the predictions", first="code"),
                Estimates(
                    SUMMARY,
                    (*DIMENSIONS, *SCANNER, READS),
                    ROWS,
                    "The dimensions of the code, the scanner read from it, and what it is good for",
                    first="code",
                ),
                Estimates(SUMMARY, SHARES["code"], ROWS, "Shares of the variance of the code", first="code"),
                Estimates(SUMMARY, SHARES["ad"], ROWS, "Shares of the variance of the logit of AD", first="code"),
                Estimates(SUMMARY, SHARES["age"], ROWS, "Shares of the variance of the predicted age", first="code"),
                Estimates(
                    DIFFERENCES,
                    tuple(f"icc_2_1_{task}" for task in PREDICTIONS),
                    ROWS,
                    "Paired differences of ICC(2,1), y<sub>sem</sub> − another code",
                    first="difference",
                ),
                HOW,
                SAYS,
            ),
            link="Reliability",
        ),
    ),
    tables=(Table("reliability", public=True, columns=("goal",)),),
    headline=tuple(
        Headline(f"reliability_{metric}", SUMMARY, "ldae", metric)
        for metric in ("icc_2_1_ad", "icc_2_1_age", "icc_2_1_code_median", "scanner_accuracy")
    ),
    cards=(
        Card(
            97,
            "Travelling phantoms: agreement of the logit of AD between scanners, ICC(2,1); the goal is .93",
            SUMMARY,
            "ldae",
            ("icc_2_1_ad",),
            rival="untrained_encoder",
            rival_label="untrained encoder",
        ),
    ),
    metrics=(
        *(
            Metric(
                f"{icc}_{task}",
                f"{words}, of {said}",
                "at most 1",
                "higher",
                source="Shrout & Fleiss 1979; McGraw & Wong 1996",
            )
            for icc, words in (
                ("icc_2_1", "ICC(2,1): agreement of single scans of a head on different scanners"),
                ("icc_3_1", "ICC(3,1): the same where what a scanner adds to all heads does not count"),
                ("icc_retest", "ICC(1,1): agreement of scans of a head on one scanner"),
            )
            for task, said in (("ad", "the logit of AD"), ("age", "the predicted age"))
        ),
        Metric("icc_2_1_code_median", "median ICC(2,1) of the dimensions of a code that vary", "at most 1", "higher"),
        Metric("icc_3_1_code_median", "median ICC(3,1) of them", "at most 1", "higher"),
        Metric(
            "icc_2_1_code_good",
            "share of them whose ICC(2,1) is above 0.75",
            "0 to 1",
            "higher",
            source="Koo & Li 2016",
        ),
        *(
            Metric(
                f"share_{part}_{target}",
                f"share of the variance of {said} that is {words}",
                "0 to 1",
                better,
                source="Searle, Casella & McCulloch 1992" if (part, target) == ("disease", "code") else "",
            )
            for target, said in (
                ("code", "the code (its dimensions in units of the training scans)"),
                ("ad", "the logit of AD"),
                ("age", "the predicted age"),
            )
            for part, words, better in (
                ("disease", "between diagnoses", "a description"),
                ("subject", "between heads of one diagnosis", "a description"),
                ("scanner", "what a scanner does to all heads", "lower"),
                ("subject_scanner", "what a scanner does to some heads", "lower"),
                ("repeat", "between scans of one head on one scanner", "lower"),
            )
        ),
        Metric(
            "scanner_accuracy",
            "share of the scans whose scanner is read rightly from the codes of other heads",
            "0 to 1",
            "chance",
        ),
        Metric(
            "scanner_chance",
            "the same where scanners are permuted within every head; the interval holds 95 % of the permutations",
            "0 to 1",
            "a description",
        ),
        Metric("scanner_p", "share of the permutations that are read as well", "0 to 1", "a description"),
    ),
    methods=ROWS,
)
