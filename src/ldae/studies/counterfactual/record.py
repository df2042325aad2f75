"""The record of the study: edits of y_sem held to what a counterfactual must be, and to the true one."""

from ldae.studies.common.method_styles import GREEN, GREY, INK, LIGHT, OCHRE, OURS, PURPLE, RIVAL, Method
from ldae.studies.common.study import (
    INTERVALS,
    Card,
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
from ldae.studies.counterfactual.names import (
    AGAINST_TRUTH,
    EDITS,
    EFFECTS,
    ERROR_ML,
    OF_NO_EDIT,
    OWN,
    PICTURE,
    RIVALS,
    SIZES,
    TAKEN_BACK,
)

SUMMARY, DIFFERENCES = "counterfactual/summary.tsv", "counterfactual/differences.tsv"
ROWS = {
    "ldae_probe": Method("Weight of the probe (the paper's)", OURS, "o"),
    "ldae_mean_difference": Method("Difference of the class means", OURS, "D"),
    "ldae_lda": Method("Linear discriminant", OURS, "^"),
    "ldae_regression": Method("Regression of the code on the diagnosis", OURS, "s"),
    "age": Method("Direction of age (control)", PURPLE, "v"),
    "sex": Method("Direction of sex (control)", PURPLE, "<"),
    "random": Method("Random direction (control)", OCHRE, "s"),
    "untrained": Method("Untrained model (must fail)", RIVAL, "X"),
    "noise": Method("Noise as an edit (must fail)", RIVAL, "P"),
    "null": Method("No edit", GREY, "o"),
    "true_code": Method("True change of the code, decoded", GREEN, "o"),
    "true_ae": Method("True change, through the autoencoder", GREEN, "D"),
    "truth": Method("True change", INK, "P"),
    "independent_probe": Method("Independent probe, of the scans themselves", LIGHT, "o"),
    "no_edit": Method("no edit", GREY, "o"),
}
IN_TABLE = PaperTable(SUMMARY, (*AGAINST_TRUTH, *EFFECTS, OWN, *OF_NO_EDIT, *TAKEN_BACK, "auc_ad_test"))  # ours alone

FIGURE = Figure(
    "figure_counterfactual",
    public=True,
    title="Counterfactual benchmark",
    text=(
        "Test scans moved to the other diagnosis (controls and MCI to AD, AD to control), each edit as far as the mean "
        "patient lies from the mean control along its direction, the controls as far as the longest edit. Changes are "
        "taken from the scan's own unedited decoding. a, distance of the change from the true one, in lengths of the "
        "true one: the truth is at 0, no edit at 1 (dashed), and what lies beyond it is more wrong than leaving the "
        "scan as it is. b, whether the same voxels change the same way (cosine). c, part of the change outside the "
        "region that truly changes. d, how much of the true change of the ventricles is there (1 is all). e, what a "
        "probe sees of the edit that knows none of our networks (1: a whole diagnosis). f, part of the edit that is "
        "left when it was taken back (0 is none; the four edits alone are). a to d need the truth, which is known of "
        "phantoms alone. " + INTERVALS
    ),
    alternative="Errors, overlap, volumes, effect and reversibility of four edits, their controls and the truth.",
    drawn_from=(SUMMARY,),
)
SAYS = Note(
    "What this says about ADNI, and what it cannot. Composition, reversibility, the independent probe and the controls "
    "are measured in every cohort, so that they can refute an edit there: one that cannot be taken back, or that an "
    "independent probe does not see, is no counterfactual. They cannot confirm one. Whether the right voxels of the "
    "right subject changed by the right amount is known of phantoms alone, whose disease is simpler than any: it "
    "shrinks and widens the same structures in everybody, along one stage. An edit that fails there has no claim to be "
    "believed in patients; one that passes has passed the easier test. No scan of ADNI shows the same person "
    "without the disease."
)
HOW = Note(
    "A whole step adds to the code what parts the mean scan with AD from the mean control; MCI is moved by half. "
    "The true counterfactual is the same head on the same day, made again as many stages further as the two groups "
    "differ by. Reversibility: the edited picture is encoded like any scan and moved back. The independent probe reads "
    "principal components of coarse voxels; how well it reads the test scans is said above. The p of Holm counts "
    "four questions apart: closer to the truth than no edit, less wrong than the paper's edit, seen more than a "
    "random direction, the right voxels more than a step along age. Composition, reversibility and effectiveness "
    "after Monteiro et al., 2023."
)

STUDY = Study(
    name="counterfactual",
    needs=frozenset({"training"}),
    order=65,
    sections=(
        Section(
            "counterfactual",
            "Counterfactual benchmark",
            (
                Written("findings"),
                FIGURE,
                Estimates(
                    SUMMARY,
                    PICTURE,
                    ROWS,
                    "Against the true counterfactual (phantoms alone): the picture, and the code",
                    first="edit",
                ),
                Estimates(
                    SUMMARY,
                    (ERROR_ML, *SIZES),
                    ROWS,
                    "Against the true counterfactual (phantoms alone): volumes, and who changes more",
                    first="edit",
                ),
                Estimates(
                    SUMMARY,
                    (*EFFECTS, OWN),
                    ROWS,
                    "Effect (any cohort)",
                    first="edit",
                ),
                Estimates(
                    SUMMARY,
                    (*OF_NO_EDIT, *TAKEN_BACK),
                    ROWS,
                    "Composition, of no edit, and reversibility, of the four edits (any cohort)",
                    first="edit",
                ),
                Estimates(
                    DIFFERENCES,
                    (*dict.fromkeys((*RIVALS, *EFFECTS)),),
                    ROWS,
                    "Paired differences, first − second (errors, share: below 0 is better; cosine, effect: above 0)",
                    first="difference",
                ),
                HOW,
                SAYS,
            ),
            link="Counterfactuals",
        ),
    ),
    tables=(
        Table("counterfactual", public=True),
        Table(
            "counterfactual_differences",
            public=True,
            keys=("edit", "compared_with"),
            columns=("difference", "verdict", "p_holm"),
        ),
    ),
    headline=tuple(
        Headline(f"counterfactual_{metric}_{method.removeprefix('ldae_')}", SUMMARY, method, metric)
        for method in EDITS
        for metric in ("image_error", "image_cosine", "independent_effect", "back_share")
    ),
    cards=(
        Card(
            95,
            "Edit towards the other diagnosis: distance from the true counterfactual (no edit: 1)",
            SUMMARY,
            "ldae_probe",
            ("image_error",),
            rival="ldae_regression",
            rival_label="regression of the code",
        ),
    ),
    metrics=(
        Metric(
            "image_error",
            "length of (change − true change) over the brain's voxels, divided by the length of the true change; no "
            "edit has 1",
            "from 0",
            "lower",
        ),
        Metric("image_cosine", "cosine of a change and the true one over the brain's voxels", "−1 to 1", "higher"),
        Metric("image_amount", "projection of a change on the true one, as a part of it", "any", "1"),
        Metric(
            "outside_share",
            "part of the absolute change outside the region of the true one (the voxels that change most, with 0.9 of "
            "it); the truth has 0.1",
            "0 to 1",
            "lower",
        ),
        Metric(
            "code_cosine",
            "cosine, in standardised units, of what an edit adds to y_sem and what the true change adds to it",
            "−1 to 1",
            "higher",
        ),
        Metric(
            "ventricle_ml_amount",
            "slope through the origin of the ventricles' change (on the scans' scale) on the true one, over subjects",
            "any",
            "1",
        ),
        Metric(
            "ventricle_ml_r_truth",
            "correlation over subjects of the ventricles' change for a whole step and the true one",
            "−1 to 1",
            "higher",
        ),
        Metric(
            "ventricle_ml_r_own",
            "correlation over subjects of the ventricles' change for a whole step and the subject's own ventricles; in "
            "phantoms the true one is positive, since large ventricles grow by more",
            "−1 to 1",
            "a description",
        ),
        Metric(
            "hippocampus_region_ml_amount",
            "slope through the origin of the change in the hippocampal region on that of the true pictures, over "
            "subjects",
            "any",
            "1",
        ),
        Metric(
            "independent_effect",
            "change of the independent probe's logit for a whole step, divided by what parts AD from CN there",
            "any",
            "1",
        ),
        Metric(
            "own_effect",
            "the same of our own probe, when the edited picture is encoded again",
            "any",
            "1",
        ),
        Metric(
            "composition_mae",
            "mean absolute difference of the unedited decoding and the scan, over the brain",
            "from 0",
            "lower",
            source="Monteiro et al. 2023",
        ),
        Metric(
            "composition_mae_ae",
            "the same against the autoencoder's reconstruction: what diffusion alone loses",
            "from 0",
            "lower",
        ),
        Metric(
            "back_mae",
            "mean absolute difference of the picture there and back and the scan, over the brain",
            "from 0",
            "lower",
            source="Monteiro et al. 2023",
        ),
        Metric(
            "back_share",
            "length of what is left of an edit that was taken back, as a part of the edit; 0 is none, 1 as long as it",
            "from 0",
            "lower",
        ),
    ),
    methods=ROWS,
)
