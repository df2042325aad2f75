"""What a study says of itself: its part of the report, its tables, its headline numbers, and what may be public.

Each study has one record, ``studies/<name>/record.py``; report, public bundle, headline, model card and workflow are
made from the records (:mod:`ldae.studies.registry`). A record is light: strings and the classes below.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ldae.studies.common.method_styles import Method

PICTURES = (
    "Pictures are in radiological convention (the subject's right on the left), all on one grey scale from 0 to 1, "
    "smoothed for display only; difference maps of one figure share one symmetric scale."
)
INTERVALS = "Lines and brackets are 95 % intervals over subjects."

Published = Mapping[tuple[str, str], str]
"""(method, metric) -> the paper's number, as printed there."""


@dataclass(frozen=True)
class Figure:
    """A figure of the report: ``paper/figures/<name>.svg`` and ``.png``.

    Attributes:
        name: stem of its files.
        public: whether it may leave the machine: aggregates only, neither a single scan nor a subject.
        title: HTML, without a full stop.
        text: HTML: what is shown, of how many, and how it was computed.
        alternative: plain words for those who cannot see it.
        drawn_from: of a public figure of estimates the long tables, below ``evaluate``, from which the function of its
            name in the study's ``figure*.py`` draws it, in the order of its arguments: the public bundle draws it again
            without the numbers of few subjects. A figure that does not say so is withheld where it counts few.
        counted: False: no number in it rests on subjects (a scheme of the networks).
        keys: of a public figure the columns of its table that say, beside method and metric, what a row is about. No
            two rows agree in all of them.
        columns: its further columns, beside those of estimates: no other column leaves the machine.
    """

    name: str
    public: bool
    title: str
    text: str
    alternative: str
    drawn_from: tuple[str, ...] = ()
    counted: bool = True
    keys: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()


@dataclass(frozen=True)
class Estimates:
    """A table of the report, made of a long table of estimates: methods down, metrics across.

    Attributes:
        source: the long table, below ``evaluate``.
        metrics: in the order of the columns; those that the long table does not hold are left out.
        methods: their words, in the order of the rows (:mod:`ldae.studies.common.method_styles`).
        heading: plain words above the table.
        first: heading of the first column.
        published: the paper's numbers, set below ours.
        across: a column of the long table, each value of which makes a column of its own for every metric.
        across_words: heading of these, with ``{}`` for the value; behind the metric where there are several.
    """

    source: str
    metrics: tuple[str, ...]
    methods: Mapping[str, Method]
    heading: str
    first: str = "method"
    published: Published = field(default_factory=dict)
    across: str = ""
    across_words: str = "{}"


@dataclass(frozen=True)
class FinishedTable:
    """One of ``paper/tables``, of whatever study, shown in the report as it is.

    Attributes:
        name: stem of its file.
        heading: plain words above the table.
    """

    name: str
    heading: str


@dataclass(frozen=True)
class CodesRead:
    """One sentence: which cached stochastic codes a study read.

    Attributes:
        source: its ``reads.tsv``, below ``evaluate``.
    """

    source: str


@dataclass(frozen=True)
class Note:
    """A fixed sentence in small print.

    Attributes:
        text: HTML.
    """

    text: str


@dataclass(frozen=True)
class Written:
    """What a function of the study makes of the run's files.

    Attributes:
        function: its name in ``words.py`` of the study. It takes :class:`ReportSources` and whether the report is a
            public one, and gives a table (``pandas.DataFrame``), a sentence in small print (str), HTML
            (``markupsafe.Markup``), or None where nothing is to be said.
        heading: plain words above a table.
        numbers: every column but the first is set flush right; otherwise those whose type is a number.
    """

    function: str
    heading: str = ""
    numbers: bool = False


Shown = Figure | Estimates | FinishedTable | CodesRead | Note | Written


@dataclass(frozen=True)
class Section:
    """A section of the report.

    Attributes:
        anchor: its id in the page, ``[a-z_]+``.
        title: its heading, HTML.
        shows: what stands in it, from top to bottom.
        link: how the contents call it; the title where this is empty.
    """

    anchor: str
    title: str
    shows: tuple[Shown, ...]
    link: str = ""


@dataclass(frozen=True)
class PaperTable:
    """Which estimates ``paper_table`` of :mod:`ldae.studies.common.paper_tables` makes a table of, one row per method.

    Attributes:
        source: the long table of estimates, below ``evaluate``.
        metrics: in the order of the columns.
        published: the paper's numbers, each in a column of its own beside ours.
    """

    source: str
    metrics: tuple[str, ...]
    published: Published = field(default_factory=dict)


@dataclass(frozen=True)
class Table:
    """A table that the study's rules write: ``paper/<folder>/<name>.tsv`` (mostly with ``.md`` and ``.tex``).

    Attributes:
        name: stem of its files.
        public: whether it may leave the machine: aggregates only, neither a single scan nor a subject.
        folder: ``tables``, or ``timings`` for what differs between two runs and is in neither report nor bundle.
        counted: False: no number in it rests on subjects (settings). Otherwise its columns of subjects count for every
            number of their row, or the study rests on whole splits: the public bundle leaves out what rests on few, and
            what nobody counts.
        counted_by: where there are several such columns: the function in the study's ``table.py`` that says of a column
            by which of them it is counted.
        keys: of a public table the columns that say, beside method and metric, what a row is about. No two rows agree
            in all of them.
        columns: its further columns, beside subjects, n_training_seeds, note and those that are named like a metric:
            no other column leaves the machine.
    """

    name: str
    public: bool
    folder: str = "tables"
    counted: bool = True
    counted_by: str = ""
    keys: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()


@dataclass(frozen=True)
class Headline:
    """One number of ``headline.json``.

    Attributes:
        key: its name there.
        source: the long table of estimates, below ``evaluate``.
        method: ``a-b`` for a paired difference.
        metric: which estimate of it.
        turned: the difference the other way round, ``b - a``.
        in_card: the words before it in the model card, which shows only those with words.
    """

    key: str
    source: str
    method: str
    metric: str
    turned: bool = False
    in_card: str = ""


@dataclass(frozen=True)
class Card:
    """One of the numbers at the head of the report, with what it is to be compared to.

    Attributes:
        order: its place among the cards of all studies.
        label: plain words, subscripts as matplotlib writes them (``y$_{sem}$``).
        source: the long table of estimates, below ``evaluate``.
        method: whose number.
        metrics: the first that has a value is shown, or why the last has none.
        rival: the method it is compared to.
        rival_label: the words for that.
        rival_metric: of the rival, where it is not the same.
    """

    order: int
    label: str
    source: str
    method: str
    metrics: tuple[str, ...]
    rival: str | None = None
    rival_label: str = ""
    rival_metric: str | None = None


@dataclass(frozen=True)
class Metric:
    """What a metric of the tables means (docs/metrics.md), by its base name.

    Attributes:
        words: what it is, with its formula.
        unit: empty where there is none.
        better: ``higher``, ``lower``, or what else to look for.
        source: where the definition comes from.
    """

    name: str
    words: str
    range: str
    better: str
    unit: str = ""
    source: str = ""


@dataclass(frozen=True)
class Study:
    """A study: the folder ``studies/<name>``, the rules in ``rules/<name>.smk``, and what they lead to.

    Attributes:
        name: of the folder and of the rule file.
        order: its place in the report and among the rule files (10, 20, ...); a new study takes the next free ten.
        sections: of the report.
        tables: every table its rules write below ``paper``.
        headline: its numbers in ``headline.json``.
        cards: its numbers at the head of the report.
        on_test_scans: it shows what trained networks do with test scans, and is marked where they may have seen these.
        needs: what must be known of the cohort (keys of ``ldae.studies.registry.NEEDS``); without it the study is
            not run, and its numbers are n/a with the reason.
        splits: every number of it rests on all subjects of these splits, whatever its tables count.
        metrics: of its own, which docs/metrics.md does not explain for all studies.
        methods: of its own, name -> how figures show them.
    """

    name: str
    order: int
    sections: tuple[Section, ...] = ()
    tables: tuple[Table, ...] = ()
    headline: tuple[Headline, ...] = ()
    cards: tuple[Card, ...] = ()
    on_test_scans: bool = True
    needs: frozenset[str] = frozenset()
    splits: tuple[str, ...] = ()
    metrics: tuple[Metric, ...] = ()
    methods: Mapping[str, Method] = field(default_factory=dict)

    @property
    def shows(self) -> tuple[Shown, ...]:
        """Everything in its sections, from top to bottom."""
        return tuple(item for section in self.sections for item in section.shows)

    @property
    def figures(self) -> tuple[Figure, ...]:
        """Its figures, in the order of the report."""
        return tuple(item for item in self.shows if isinstance(item, Figure))


@dataclass(frozen=True)
class ReportSources:
    """The finished files a report is made from.

    Attributes:
        figures: folder of ``figure_*.svg`` (or ``.png``).
        evaluate: folder of the studies' results.
        table_1: demographics, TSV.
        exclusions: ``manifest/exclusions.tsv``.
        tables: folder of the paper's tables.
        provenance: versions and digests, flat or one level deep.
        notes: ``manifest/notes.json``; it names subjects.
        unseen: sentences on scans that came after a training.
        starts: sentences on trainings that did not start at random, and whom their weights had seen.
        degenerate: sentences on models that came out degenerate.
        external: on a frozen model, the comparison with the model's own results, TSV.
        imported: stages whose networks were taken over and not trained.
        split_subjects: how many subjects each split has.
    """

    figures: Path
    evaluate: Path
    table_1: Path
    exclusions: Path
    tables: Path
    provenance: Mapping[str, Any]
    notes: Path | None = None
    unseen: Sequence[str] = ()
    starts: Sequence[str] = ()
    degenerate: Sequence[str] = ()
    external: Path | None = None
    imported: Sequence[str] = ()
    split_subjects: Mapping[str, int] = field(default_factory=dict)
