"""What the report says of the cohort: Table 1, who was left out, and what the tables left open."""

import pandas as pd
from markupsafe import Markup

from ldae.core.files import read_json, read_tsv
from ldae.studies.common.study import ReportSources

COLUMNS = {  # of Table 1, as they are printed
    "diagnosis": "Diagnosis",
    "subjects": "Subjects",
    "scans": "Scans",
    "age": "Age (years)",
    "mmse": "MMSE",
    "cdr": "CDR",
    "female_percent": "Women (%)",
    "paper_subjects": "Subjects in the paper",
    "paper_scans": "Scans in the paper",
}


def demographics(sources: ReportSources, public: bool) -> pd.DataFrame:
    """Table 1: means and standard deviations in one column, known columns under their printed names."""
    table = read_tsv(sources.table_1)
    for name in ("age", "mmse", "cdr"):
        if f"{name}_mean" in table:
            pairs = zip(table.pop(f"{name}_mean"), table.pop(f"{name}_sd"), strict=True)
            table[name] = [_mean_sd(mean, sd) for mean, sd in pairs]
    if "female_percent" in table:
        table["female_percent"] = table["female_percent"].round()
    return table[[name for name in COLUMNS if name in table]].rename(columns=COLUMNS)


def _mean_sd(mean: float, sd: float) -> str:
    if pd.isna(mean):
        return "n/a"
    return f"{mean:.1f}" if pd.isna(sd) else f"{mean:.1f} ± {sd:.1f}"


def exclusions(sources: ReportSources, public: bool) -> pd.DataFrame | Markup:
    """How many scans were left out at each step for each reason; a public report says only that there are reasons."""
    if public:
        return Markup('  <p class="absent">The reasons of exclusions name single scans and stay with the data.</p>')
    table = read_tsv(sources.exclusions, dtype=str)
    if table.empty:
        return Markup("  <p>No scan was left out.</p>")
    counts = table.fillna("n/a").groupby(["step", "reason"], sort=True).size().rename("scans").reset_index()
    return pd.DataFrame(counts)


def open_questions(sources: ReportSources, public: bool) -> Markup | None:
    """What was noticed on the way to the manifest; it names subjects, so a public report says nothing of it."""
    notes = read_json(sources.notes) if sources.notes and not public else []
    if not notes:
        return None
    rows = Markup("\n").join(Markup("    <li>{}</li>").format(note) for note in notes)
    heading = Markup("  <h3>What the preflight and the tables left open</h3>")
    return heading + Markup('\n  <ul class="notes">\n{}\n  </ul>').format(rows)
