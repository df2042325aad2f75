"""The record of the study: what training and decoding cost (paper Table 5)."""

from ldae.studies.common.study import Study, Table

STUDY = Study(
    name="efficiency",
    order=90,
    on_test_scans=False,
    tables=(
        Table("efficiency", public=False, folder="timings"),
        Table("trainings", public=False, folder="timings"),
    ),
)
