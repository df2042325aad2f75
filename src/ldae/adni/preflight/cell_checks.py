"""Cells of the study tables that say something else than the study wrote: what a spreadsheet program made of them, and
values that cannot be."""

from collections import Counter
from collections.abc import Mapping

import pandas as pd

from ldae.adni.preflight.finding import Finding
from ldae.adni.spelling import lost_digits
from ldae.adni.study_tables import BY_NAME
from ldae.core.cells import quoted

JOINED = {  # columns by which tables and files find each other
    "ADNIMERGE": ("PTID", "RID"),
    "MPRAGEMETA": ("ImageUID", "SeriesID"),
    "MRIQUALITY": ("RID", "LONIUID"),
    "MAYOADIRL_MRI_IMAGEQC_05_07_15": ("RID", "loni_image"),
    "DXSUM_PDXCONV": ("RID",),
}
AS_TEXT = "download it again and use it unopened (a spreadsheet program saves only the digits that it shows), from"


def mangled_numbers(contents: Mapping[str, pd.DataFrame], subjects: list[str]) -> list[Finding]:
    """Numbers that a spreadsheet program has shortened to ``1.00E+06``: nobody can tell which image they are.

    Args:
        contents: tables as the adapter passes them on, by Clinica's names.
        subjects: PTIDs on disk; the list of images is judged by their rows alone.
    """
    findings = []
    for name, columns in JOINED.items():
        for column in columns:
            if name not in contents or column not in contents[name]:
                continue
            cells = contents[name]
            if "SubjectID" in cells:
                cells = cells[cells["SubjectID"].isin(subjects)]
            bad = Counter({cell: n for cell, n in cells[column].value_counts().items() if lost_digits(str(cell))})
            if bad:
                what = f"{column} has lost digits in {bad.total()} of {len(cells)} rows: {quoted(bad, 3)}"
                fix = f"{AS_TEXT} {BY_NAME[name].page}"
                findings.append(Finding("blocking", what, name, fix, "joining tables and files"))
    return findings
