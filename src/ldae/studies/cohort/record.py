"""The record of the study: who is in the cohort, the flow of scans into it, and their quality (paper Table 1)."""

from ldae.studies.common.study import Figure, Note, Section, Study, Table, Written

COHORT = Figure(
    "figure_cohort",
    public=False,
    title="The cohort",
    text=(
        "a, scans that entered each step and why the others were left out. b, visits of every subject (one row each; "
        "a large cohort is thinned evenly), marked by the diagnosis at the visit. c, age at scan. d, subjects in each "
        "split by last diagnosis; a subject is in one split only, and splits are made before any class is selected."
    ),
    alternative=(
        "Flow chart of included and excluded scans, timeline of visits by diagnosis, ages, and sizes of the splits."
    ),
)

QUALITY = Figure(
    "figure_qc",
    public=False,
    title="Quality control of preprocessing",
    text="Preprocessed scans with the outline of their brain mask, as preprocessing drew them for review.",
    alternative="Mosaic of preprocessed brains with mask outlines.",
)

STUDY = Study(
    name="cohort",
    order=20,
    on_test_scans=False,
    sections=(
        Section(
            "cohort",
            "Cohort",
            (
                Written("demographics", "Table 1. Subjects and scans by diagnosis at the visit", numbers=True),
                Note(
                    "Mean ± standard deviation over scans. A subject that converts counts under each diagnosis it was "
                    "scanned with."
                ),
                COHORT,
                Written("exclusions", "Scans that were left out, and why"),
                Written("open_questions"),
                QUALITY,
            ),
        ),
    ),
    tables=(
        Table(
            "cohort",
            public=True,
            counted_by="subjects_of",
            keys=("diagnosis",),
            columns=(
                *("scans", "age_mean", "age_sd", "mmse_mean", "mmse_sd", "cdr_mean", "cdr_sd", "female_percent"),
                *("age_subjects", "mmse_subjects", "cdr_subjects", "sex_subjects", "paper_subjects", "paper_scans"),
            ),
        ),
        Table("flow", public=False),
        Table("exclusions", public=False),
    ),
)
