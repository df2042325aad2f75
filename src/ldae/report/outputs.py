"""Every file of a results folder and every column of its tables, in words; docs/outputs.md is made of it.

A column is explained where the code describes it already (``scans.json``, ``qc.json``, the BIDS sidecars, the metrics)
and otherwise in ``outputs.yaml``. The smoke chain's results are held against both.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from ldae.adni.bids_tables import PARTICIPANT_COLUMNS, SCANS_COLUMNS, SESSION_COLUMNS
from ldae.cohort.manifest import COLUMNS as MANIFEST_COLUMNS
from ldae.core.files import read_tsv
from ldae.preprocessing.description import COLUMNS as QC_COLUMNS
from ldae.preprocessing.description import MEANING as QC_METRICS
from ldae.report.glossary import ENDINGS, METRICS, explain, row
from ldae.studies.probes.measure import COLUMNS as PREDICTION_COLUMNS

SAID = yaml.safe_load(Path(__file__).with_suffix(".yaml").read_text(encoding="utf-8"))
FILES: dict[str, str] = {pattern: words for group in SAID["files"].values() for pattern, words in group.items()}
NUMBERED = re.compile(r"^(y_sem|x_T|pc|axis)_\d+$")
HEAD = """<!-- Written by `make docs` from src/ldae/report/outputs.yaml and the columns that the code describes. -->

# What a run writes

Everything lies in `results_dir` (`results/demo` for the demo); no rule writes anywhere else. All tables are TSV files
whose first row holds the names of the columns; `n/a` is a missing value. Paths below are relative to the results
folder, `*` stands for one part of a path and `**` for everything below a folder. Where two lines fit a file, the first
one counts.

Only `public/` is made to leave the machine. Everything else of a real cohort holds data of single people.
"""


def matches(pattern: str, path: str) -> bool:
    """Whether a path relative to the results folder is meant by a pattern."""
    words = {"**": ".+", "*": "[^/]*"}
    parts = re.split(r"(\*\*|\*)", pattern)
    return re.fullmatch("".join(words.get(part, re.escape(part)) for part in parts), path) is not None


def told(path: str) -> str | None:
    """What a file is, by the first pattern that fits; none where no line speaks of it."""
    return next((words for pattern, words in FILES.items() if matches(pattern, path)), None)


def column_words(name: str, path: str = "") -> str | None:
    """What a column holds; none where nobody says so.

    Args:
        path: of its table, where columns of one name differ: those of ``qc.tsv`` and of ``status/`` are metrics of the
            quality control, those of a table of a study its own.
    """
    if name in SAID["tables"].get(path, {}):
        return str(SAID["tables"][path][name])
    if NUMBERED.match(name):
        return "one number of the code each"
    if name.endswith("_published") and column_words(name.removesuffix("_published"), path):
        return f"the paper's number for `{name.removesuffix('_published')}`"
    of_quality = {key: f"{words}{f' ({unit})' if unit else ''}" for key, (words, unit) in QC_METRICS.items()}
    sidecars: list[Mapping[str, Any]] = [MANIFEST_COLUMNS, QC_COLUMNS]
    described: list[dict[str, str]] = [
        *({key: str(item["Description"]) for key, item in sidecar.items()} for sidecar in sidecars),
        of_quality,
        PREDICTION_COLUMNS,
        SAID["columns"],
        {**PARTICIPANT_COLUMNS, **SESSION_COLUMNS, **SCANS_COLUMNS},
    ]
    if path.split("/")[0] in ("evaluate", "paper", "public"):
        described = [SAID["columns"], *described]
    found = next((words[name] for words in described if name in words), None)
    if found is None and (metric := explain(name)) is not None:
        found = f"{metric[0].words}{f'; {ENDINGS[metric[1]]}' if metric[1] else ''}"
    return found


def unexplained(results: Path) -> Iterator[str]:
    """Files of a results folder that no line speaks of, and columns that nobody explains."""
    for file in sorted(path for path in results.rglob("*") if path.is_file()):
        path = file.relative_to(results).as_posix()
        if told(path) is None:
            yield path
        elif file.suffix == ".tsv" and described_here(path):
            yield from (
                f"{path}: {name}" for name in read_tsv(file, dtype=str, nrows=1) if not column_words(name, path)
            )


def described_here(path: str) -> bool:
    """Whether the columns of a table are explained on the page: raw data and Snakemake's own tables are others'."""
    return path.split("/")[0] not in ("raw", "scratch", "benchmarks", "bids")


def outputs_page() -> str:
    """The text of ``docs/outputs.md``, in Markdown."""
    lines = [HEAD]
    for title, files in SAID["files"].items():
        lines += [f"## {title}", "", "| file | what it is |", row("---", "---")]
        lines += [row(f"`{pattern}`", words) for pattern, words in files.items()]
        lines.append("")
    lines += ["## Columns", "", "Columns named like a metric are explained in [metrics.md](metrics.md).", ""]
    lines += ["| table | column | what it holds there |", row("---", "---", "---")]
    lines += [
        row(f"`{path}`", f"`{name}`", words)
        for path, columns in SAID["tables"].items()
        for name, words in columns.items()
    ]
    lines.append("")
    names = {
        *SAID["columns"],
        *MANIFEST_COLUMNS,
        *QC_COLUMNS,
        *QC_METRICS,
        *PREDICTION_COLUMNS,
        *PARTICIPANT_COLUMNS,
        *SESSION_COLUMNS,
        *SCANS_COLUMNS,
    }
    lines += ["| column | what it holds |", row("---", "---")]
    lines += [
        row(f"`{name}`", str(column_words(name)))
        for name in sorted(names - set(METRICS), key=lambda name: (name.casefold(), name))
    ]
    return "\n".join(lines) + "\n"
