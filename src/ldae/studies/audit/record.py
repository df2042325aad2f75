"""The record of the audit: what was looked for in the run's own files, and what was found."""

from ldae.studies.common.study import FinishedTable, Note, Section, Study, Table

STUDY = Study(
    name="audit",
    order=5,
    sections=(
        Section(
            "audit",
            "Has anything of the test subjects reached what is fitted?",
            (
                Note(
                    "This was looked for in the splits and stores of this run, the scans that every network has read, "
                    "the codes and the fitted probes. A blocking finding stops tables and headline; where one was "
                    "allowed, the reason stands beside it."
                ),
                FinishedTable("audit", "Each question, what was compared, and the answer"),
            ),
            link="Audit",
        ),
    ),
    tables=(
        Table(
            "audit",
            public=True,
            counted=False,
            keys=("check",),
            columns=("question", "result", "looked_at", "finding", "allowed"),
        ),
    ),
)
