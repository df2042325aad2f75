"""Small tables for the report: words only, escaped, with the columns that are flush right."""

import re
from dataclasses import dataclass

import pandas as pd
from markupsafe import Markup, escape

TABLE_1 = {
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


@dataclass(frozen=True)
class Table:
    """A table ready to be set: words only, with the columns that are flush right."""

    head: list[Markup]
    rows: list[list[Markup]]
    numeric: list[bool]
    notes: list[str]


def plain_table(table: pd.DataFrame) -> Table:
    """Any small table, as it is."""
    numeric = [pd.api.types.is_numeric_dtype(table.iloc[:, place]) for place in range(table.shape[1])]
    rows = [[Markup(escape(_plain(value))) for value in row] for row in table.itertuples(index=False)]
    return Table([Markup(escape(str(name).replace("_", " "))) for name in table.columns], rows, numeric, [])


def _plain(value: object) -> str:
    if value is None or (not isinstance(value, str) and pd.isna(value)):
        return "n/a"
    if isinstance(value, float):
        return f"{value:,.0f}" if value.is_integer() else f"{value:.4g}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def in_html(label: str) -> Markup:
    """A label with matplotlib's subscripts (``y$_{sem}$``) set as HTML."""
    return Markup(re.sub(r"\$_\{?(\w+)\}?\$", r"<sub>\1</sub>", str(escape(label))))


def demographics_table(table: pd.DataFrame) -> Table:
    """Table 1: means and standard deviations in one column, known columns under their printed names."""
    table = table.copy()
    for name in ("age", "mmse", "cdr"):
        if f"{name}_mean" in table:
            pairs = zip(table.pop(f"{name}_mean"), table.pop(f"{name}_sd"), strict=True)
            table[name] = [_mean_sd(mean, sd) for mean, sd in pairs]
    if "female_percent" in table:
        table["female_percent"] = table["female_percent"].round()
    known = [name for name in TABLE_1 if name in table]
    chosen = plain_table(table[known].rename(columns=TABLE_1))
    return Table(chosen.head, chosen.rows, [place > 0 for place in range(len(known))], [])


def _mean_sd(mean: float, sd: float) -> str:
    if pd.isna(mean):
        return "n/a"
    return f"{mean:.1f}" if pd.isna(sd) else f"{mean:.1f} ± {sd:.1f}"
