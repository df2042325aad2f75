"""Where scans and study tables come from, who is kept, and how subjects are split."""

import re
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from ldae.config.section import Fraction, Positive, Revision, Section, Shards


class Raw(Section):
    """Where the ADNI download lies. Never written to."""

    images: Path = Field(description="folder with one subfolder per subject (NNN_S_NNNN), as LONI's zip unpacks")
    tables: Path = Field(description="folder with the study tables (ADNIMERGE, MPRAGEMETA, ...)")


class BidsColumns(Section):
    """Where a BIDS dataset keeps what the manifest needs: names tried in this order, upper or lower case.

    A fact is taken, row by row, from the first table that has a cell for it: scans.tsv, sessions.tsv, participants.tsv.
    """

    participant: list[str] = Field(["participant_id"], description="who a row is about, every table")
    session: list[str] = Field(["session_id"], description="the visit a row is about, every table of visits")
    visit_day: list[str] = Field(
        [], description="days since baseline of a visit, for bids.nearest_days; none: by the visit's name"
    )
    age: list[str] = Field(["age"], description="age at the visit, in the sessions table")
    baseline_age: list[str] = Field(["age_bl", "age"], description="age at baseline, in the participants table")
    sex: list[str] = Field(["sex", "gender"], description="sex of the subject, any of the tables")
    diagnosis: list[str] = Field(
        ["diagnosis", "dx", "group"], description="at the visit (sessions table) or of the subject (participants table)"
    )
    mmse: list[str] = Field(["mmse"], description="Mini-Mental State Examination at the visit, 0 to 30")
    cdr: list[str] = Field(["cdr_global", "cdr"], description="Clinical Dementia Rating at the visit, global score")
    study_phase: list[str] = Field(
        ["current_study", "colprot", "original_study"], description="phase of the study, sessions or participants table"
    )
    site: list[str] = Field(["site", "site_id", "centre", "center"], description="where the subject was scanned")
    months: list[str] = Field([], description="months since baseline, in the sessions table; none: by name or date")
    visit_date: list[str] = Field(
        ["examination_date", "acq_time"], description="date of the visit (ISO 8601), sessions table"
    )
    scan_date: list[str] = Field(["acq_time"], description="date of the scan (ISO 8601), scans table")
    field_strength: list[str] = Field(
        ["field_strength", "mri_field"], description="of the scanner's magnet in tesla, scans table"
    )
    image_id: list[str] = Field(["image_id", "scan_id"], description="the study's own number of the image, scans table")
    converted_by: list[str] = Field(["converted_by"], description="the program that made the NIfTI file, scans table")


class BidsValues(Section):
    """What the cells of those columns mean; a value without an entry counts as missing.

    Entries in ``bids.values`` are added to these (or to those of the layout); null takes one out.
    """

    diagnosis: dict[str, Literal["CN", "MCI", "AD"] | None] = Field(
        {"CN": "CN", "HC": "CN", "control": "CN", "MCI": "MCI", "AD": "AD", "dementia": "AD"},
        description="what the table writes: the diagnosis it stands for; added to these, null takes one out",
    )
    sex: dict[str, Literal["M", "F"] | None] = Field(
        {"M": "M", "male": "M", "F": "F", "female": "F"},
        description="what the table writes: the sex it stands for; added to these, null takes one out",
    )

    @field_validator("diagnosis", "sex", mode="before")
    @classmethod
    def _text_keys(cls, names: object) -> object:
        """YAML reads the key in ``{1: M}`` as a number."""
        return {str(key): value for key, value in names.items()} if isinstance(names, dict) else names


OASIS3: dict[str, Any] = {
    "columns": {
        "participant": ["participant_id", "OASISID", "Subject"],
        "session": ["session_id", "OASIS_session_label", "MR ID"],
        "visit_day": ["days_to_visit"],
        "age": ["age at visit", "age"],
        "baseline_age": ["AgeatEntry", "age"],
        "sex": ["GENDER", "sex"],
        "diagnosis": ["CDRTOT"],  # 0 CN, 0.5 MCI, from 1 on AD
        "cdr": ["CDRTOT"],
        "mmse": ["MMSE"],
    },
    "values": {
        "diagnosis": {"0": "CN", "0.5": "MCI", "1": "AD", "2": "AD", "3": "AD"},
        "sex": {"1": "M", "2": "F", "M": "M", "F": "F"},
    },
    "session_pattern": r"d(\d+)",
    "session_unit": "days",
    "nearest_days": 365,
}
AIBL = {  # as Clinica's aibl-to-bids writes it
    "columns": {"mmse": ["MMS", "mmse"], "diagnosis": ["diagnosis"], "cdr": ["cdr_global"]},
    "values": {"diagnosis": {"CN": "CN", "HC": "CN", "MCI": "MCI", "AD": "AD"}},
}
OPENNEURO = {
    "columns": {"diagnosis": ["diagnosis", "dx", "group", "diagnosis_group"], "mmse": ["mmse", "mmse_score"]},
    "values": {
        "diagnosis": {
            **dict.fromkeys(("CN", "HC", "control", "controls", "healthy", "healthy control"), "CN"),
            **dict.fromkeys(("MCI", "mild cognitive impairment"), "MCI"),
            **dict.fromkeys(("AD", "dementia", "Alzheimer", "Alzheimer's disease", "Alzheimers disease"), "AD"),
        }
    },
    "session_pattern": r"[Mm](\d{2,3})",  # ses-1, ses-m1 count scans
}
LAYOUTS: dict[str, dict] = {"oasis3": OASIS3, "aibl": AIBL, "openneuro": OPENNEURO}


def filled_in(content: dict, defaults: dict) -> dict:
    """``content`` with the entries of ``defaults`` that it lacks, section by section."""
    merged = dict(content)
    for name, value in defaults.items():
        own = merged.get(name)
        if isinstance(value, dict) and name in ("columns", "values") and isinstance(own, dict | None):
            merged[name] = value | (own or {})
        elif own is None:
            merged[name] = value
    return merged


def with_known_values(content: dict, layout: dict) -> dict:
    """``content`` with the values that are known beneath its own; an own entry, however spelt, replaces a known one."""
    own = content.get("values")
    if not isinstance(own, dict):
        return content  # none, or a field of its own says what is wrong
    merged = dict(own)
    for name, field in BidsValues.model_fields.items():
        if isinstance(own.get(name), dict):
            given = {str(key): value for key, value in own[name].items()}
            spelt = {key.casefold() for key in given}
            known = layout.get("values", {}).get(name, field.default)
            merged[name] = {key: value for key, value in known.items() if key.casefold() not in spelt} | given
    return content | {"values": merged}


class Bids(Section):
    """``source: bids``: a dataset of others, never written to."""

    path: Path = Field(description="root of the dataset (the folder of sub-*)")
    layout: Literal["oasis3", "aibl", "openneuro"] | None = Field(
        None, description="columns, values and visits as that study has them; what is set beside it comes first"
    )
    columns: BidsColumns = BidsColumns()
    values: BidsValues = BidsValues()
    visits: Path | None = Field(
        None, description="one table of all visits (participant_id, session_id, ...) instead of sub-*_sessions.tsv"
    )
    participants: Path | None = Field(
        None, description="table of the participants, if not participants.tsv of the root"
    )
    nearest_days: int | None = Field(
        None,
        ge=0,
        json_schema_extra={"unit": "days"},
        description="the row of bids.visits nearest to a scan within so many days; none: that of its name",
    )
    filters: dict[str, str | int | list[str]] = Field(
        {}, description="BIDS entities that a T1w image must have, such as {acquisition: mprage}"
    )
    age_unit: Literal["years", "months", "days"] = Field("years", description="unit of the ages in the tables")
    session_pattern: str = Field(r"[Mm](\d+)", description="regular expression of a visit's label; group 1 is its time")
    session_unit: Literal["months", "days", "years"] = Field("months", description="unit of that time since baseline")
    revision: Revision = 1

    @model_validator(mode="before")
    @classmethod
    def _as_the_study_has_it(cls, content: object) -> object:
        """Fill in the settings of ``layout`` where none is given; values of one's own are added to those known."""
        if not isinstance(content, dict):
            return content  # a field of its own says what is wrong
        name = content.get("layout")
        layout = LAYOUTS.get(name, {}) if isinstance(name, str) else {}
        return filled_in(with_known_values(content, layout), layout)

    @field_validator("session_pattern")
    @classmethod
    def _has_one_group(cls, pattern: str) -> str:
        try:
            groups = re.compile(pattern).groups
        except re.error as error:
            raise ValueError(f"{pattern!r} is not a regular expression: {error}") from None
        if groups != 1:
            raise ValueError(f"{pattern!r} has {groups} groups, one is needed: the time in the visit's label")
        return pattern

    @property
    def age_units_per_year(self) -> float:
        """Units of ``age_unit`` in one year."""
        return {"years": 1, "months": 12, "days": 365.25}[self.age_unit]

    @property
    def session_units_per_month(self) -> float:
        """Units of ``session_unit`` in one month (a twelfth of 365.25 days)."""
        return {"months": 1, "days": 365.25 / 12, "years": 1 / 12}[self.session_unit]


class Clinica(Section):
    """``source: clinica``: raw files of a study that one of Clinica's own converters reads; never written to.

    The converter writes ``results_dir/bids``; from there on the cohort is that of ``source: bids``.
    """

    converter: Literal["oasis3-to-bids", "aibl-to-bids"] = Field(description="the converter of Clinica that reads them")
    images: Path = Field(description="folder of the raw images, as the study's download leaves them")
    tables: Path = Field(description="folder of the study's tables")
    revision: Revision = 1

    def dataset(self, results: Path) -> dict[str, Any]:
        """The section ``bids`` that reads what the converter makes in ``results``."""
        visits = {"path": str(results / "bids"), "visits": str(results / "manifest" / "clinica_visits.tsv")}
        if self.converter == "aibl-to-bids":
            return visits | {"layout": "aibl"}
        columns = {name: OASIS3["columns"][name] for name in ("sex", "diagnosis", "cdr", "mmse", "baseline_age")}
        return visits | {"columns": columns | {"months": ["months"]}, "values": OASIS3["values"]}


class AuthorsCsv(Section):
    """``source: csv``: volumes that are preprocessed already, in the table of the paper's authors."""

    path: Path = Field(description="table with subject, path, diagnosis, session, age (latent_path is not read)")
    resample: bool = Field(
        False, description="resample volumes of another grid in MNI space to preprocessing.conform; false: refuse them"
    )
    revision: Revision = 1


class Manifest(Section):
    """Which scans are kept."""

    require_diagnosis: bool = Field(
        True, description="leave out scans without CN, MCI or AD at the visit (the paper); false trains on them as well"
    )
    exclude_sites: list[Annotated[str, Field(pattern=r"^\d{3}$")]] = Field(
        [],
        description='ADNI sites whose subjects are left out, three digits each, such as ["381"]',
    )


class Scanner(Section):
    """How the scanners of a synthetic cohort differ from the eight that every phantom is scanned with."""

    contrast: float = Field(0.0, ge=-0.15, le=0.15, description="added to the signal of grey matter (white matter: 1)")
    noise: float = Field(1.0, ge=0, le=4, description="factor of the noise")
    bias: float = Field(1.0, ge=0, le=3, description="factor of the intensity inhomogeneity")


class Phantom(Section):
    """A synthetic cohort, made before the chain starts, always in ``results_dir/raw`` and read there: a raw ADNI
    download (demo, smoke) or, with ``source: bids``, a BIDS dataset (study)."""

    subjects: dict[Literal["CN", "MCI", "AD"], Positive] = Field(description="subjects by diagnosis at baseline")
    visits: Positive = Field(2, le=4, description="visits of an ordinary subject; the second is at month 24 or 12")
    extra_visit_fraction: Fraction = Field(0.2, description="fraction of subjects with three or four visits")
    converter_fraction: Fraction = Field(0.25, description="fraction of MCI subjects that convert to AD")
    variety: Literal["plain", "rich"] = Field(
        "plain",
        description="heads that differ by smooth shape and by what disease and age do everywhere alike | and by folds, "
        "places of focal atrophy and lesions of their own, and by the contrast of their site's scanner",
    )
    voxel_mm: float = Field(2.0, ge=1, le=4, description="nominal voxel size of the raw scans (mm)")
    broken_scans: int = Field(0, ge=0, description="scans written with a truncated DICOM, to be quarantined")
    adni4: int = Field(
        0,
        ge=0,
        le=89_999,
        description="subjects enrolled in ADNI4 beside the others (five-digit names, no row in ADNIMERGE), and as many "
        "of ADNI3 with one more visit in ADNI4",
    )
    scanner: Scanner = Field(Scanner(), description="another scanner, for a second cohort")
    torque_mm: float = Field(
        0.0,
        ge=0,
        le=6,
        description="asymmetry that all heads share: the right frontal and the left occipital pole outreach their "
        "counterparts by so much (mm); with 0 a mirrored head is a head like any other",
    )
    revision: Revision = 1

    def asked(self) -> dict[str, Any]:
        """As rules are given it; with plain heads and the usual scanners it is that of versions that knew no others."""
        fields = type(self).model_fields
        usual = {name for name in ("variety", "scanner", "torque_mm") if getattr(self, name) == fields[name].default}
        return self.model_dump(mode="json", exclude=usual)

    def described(self) -> dict[str, Any]:
        """As files name the cohort; without ADNI4 it is that of versions that knew none."""
        return {name: value for name, value in self.asked().items() if name != "adni4" or value}


class Convert(Section):
    """The conversion of raw images to BIDS by Clinica, in shards."""

    shards: Shards = Field(description="Clinica runs side by side; a subject's shard is a hash of its name")
    max_quarantined_fraction: Fraction = Field(
        0.1, description="more lost scans of the whole cohort than this stop the run, at the preflight or when merged"
    )
    max_contradicted_fraction: Fraction = Field(
        0.1,
        description="more visits (or subjects) than this to which two tables, or a table and the scans, give different "
        "dates, diagnoses or persons stop the preflight: a column was sorted alone, or dates were mistaken",
    )
    adni4: bool = Field(
        True,
        description="subjects and visits of ADNI4 too, which Clinica does not convert: by dcm2niix; false: leave out",
    )
    revision: Revision = 1


HeldBy = Literal[
    "site", "field_strength", "study_phase", "sex", "diagnosis", "converted_by", "age_from", "cdr", "participant_id"
]
"""Columns of scans.tsv by which ``splits.hold_out`` can name subjects."""


class Splits(Section):
    """How subjects are dealt to training, validation and test."""

    protocol: Literal["stratified", "paper"] = Field(
        "stratified", description="stratified by last diagnosis | the paper's group shuffle with seed 42"
    )
    test_fraction: Fraction = Field(0.1, description="of all subjects, to be test subjects")
    validation_fraction: Fraction = Field(
        0.01, description="of the subjects that are not test subjects, for validation; at least one"
    )
    min_test_subjects_per_class: int = Field(
        5, ge=1, description="with fewer test subjects of CN, MCI or AD the run stops with one sentence"
    )
    hold_out: dict[HeldBy, Annotated[list[str], Field(min_length=1)]] = Field(
        {},
        description="column of scans.tsv: values, such as {site: ['002', '941']}; every subject with a scan of one of "
        "them is a test subject, nobody else is, and no probe is fitted on them; {}: dealt by test_fraction",
    )

    @field_validator("hold_out", mode="before")
    @classmethod
    def _text_values(cls, named: object) -> object:
        """YAML reads ``[002, 1.5]`` as numbers."""
        if not isinstance(named, dict):
            return named
        return {
            column: [str(value) for value in values] if isinstance(values, list) else values
            for column, values in named.items()
        }

    def held_out_words(self) -> str:
        """``site 002 or 941``; empty where nobody is held out."""
        named = (f"{column.replace('_', ' ')} {' or '.join(values)}" for column, values in self.hold_out.items())
        return ", ".join(named)
