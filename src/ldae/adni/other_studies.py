"""Other studies by Clinica's own converters: OASIS-3 and AIBL, from their raw files to a BIDS dataset of our own.

Clinica sees a tree of links to the T1w images alone, and its dataset is moved in place when it is whole. Two things of
Clinica 0.12's ``oasis3-to-bids`` are not used: it joins clinical visits to scans by the half year alone, whoever they
belong to (scores of one participant reach another), and it cuts ages to whole years. The visits of the scans are
written anew from the study's tables: for each scan the clinical visit of the same participant that is nearest in time.
"""

import logging
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from ldae.adni.clinica import clinica_command, environment, last_error, without_folders
from ldae.adni.preflight.table_checks import tool_findings
from ldae.config import Clinica
from ldae.core.errors import UserError, blaming_the_machine, require_sound
from ldae.core.files import read_json, read_tsv, write_json, write_tsv
from ldae.core.text_tables import count, read_text_table

logger = logging.getLogger("ldae")

RECORD = "clinica_made_of.json"  # no declared output: it outlives a run that fails
NEAREST_DAYS = 365  # between a scan and the clinical visit that labels it
DAYS_PER_MONTH, DAYS_PER_YEAR = 365.25 / 12, 365.25
OASIS_SESSION = re.compile(r"(OAS3\d+)_MR_d(\d+)")
OASIS_IMAGE = re.compile(r"sub-.*_T1w\.nii\.gz")
LOST = {  # why an image did not arrive, as far as it is known
    "oasis3-to-bids": "of several in one session (Clinica's sessions are half years) one is kept",
    "aibl-to-bids": "the others have no visit of their day in aibl_mrimeta or aibl_mri3meta, or share one",
}
AIBL_SUBJECT, AIBL_DATE = re.compile(r"\d+"), re.compile(r"\d{4}-\d\d?-\d\d?_.*")
AIBL_T1W = re.compile(r"MPRAGE.*")
TABLES = {  # table as Clinica looks for it -> columns that it, or we, cannot do without
    "oasis3-to-bids": {
        "*OASIS3_UDSb1_physical_eval.csv": ("OASISID", "days_to_visit", "age at visit"),
        "*OASIS3_UDSb4_cdr.csv": ("OASISID", "days_to_visit", "age at visit", "MMSE", "CDRTOT"),
        "*OASIS3_demographics.csv": ("OASISID", "AgeatEntry", "GENDER", "EDUC", "APOE", "HAND"),
        "*OASIS3_MR_json.csv": ("label", "Manufacturer", "ManufacturersModelName", "MagneticFieldStrength"),
    },
    "aibl-to-bids": {
        "aibl_ptdemog_*.csv": ("RID", "PTDOB", "PTGENDER", "SITEID", "VISCODE"),
        "aibl_mrimeta_*.csv": ("RID", "VISCODE", "EXAMDATE"),
        "aibl_mri3meta_*.csv": ("RID", "VISCODE", "EXAMDATE"),
        "aibl_neurobat_*.csv": ("RID", "VISCODE", "EXAMDATE"),
        "aibl_cdr_*.csv": ("RID", "VISCODE", "CDGLOBAL"),
        "aibl_mmse_*.csv": ("RID", "VISCODE", "MMSCORE"),
        "aibl_pdxconv_*.csv": ("RID", "VISCODE", "DXCURREN"),
        "aibl_apoeres_*.csv": ("RID", "APGEN1", "APGEN2"),
        "aibl_av45meta_*.csv": ("RID", "VISCODE", "EXAMDATE"),
        "aibl_flutemeta_*.csv": ("RID", "VISCODE", "EXAMDATE"),
        "aibl_pibmeta_*.csv": ("RID", "VISCODE", "EXAMDATE"),
    },
}


@dataclass(frozen=True)
class RawImage:
    """One T1w image: ``path`` is a NIfTI file (OASIS-3) or a folder of DICOM files (AIBL); ``place`` is where Clinica
    looks for it, from the root of its tree."""

    subject: str
    path: Path
    place: str


def problems(settings: Clinica) -> list[str]:
    """What is missing for the conversion, a part of a sentence each; nothing is written."""
    found = []
    for key in ("images", "tables"):
        if not getattr(settings, key).is_dir():
            found.append(f"clinica.{key}: {getattr(settings, key)} is not a folder")
    if found:
        return found
    for pattern, columns in TABLES[settings.converter].items():
        paths = find_tables(settings.tables, pattern)
        if len(paths) != 1:
            what = f"the table {pattern} is missing" if not paths else f"{len(paths)} files are the table {pattern}"
            found.append(f"{what} in {settings.tables}")
            continue
        try:
            lacking = [name for name in columns if name not in read_text_table(paths[0]).header]
        except UserError as error:
            found.append(str(error).rstrip("."))
            continue
        if lacking:
            found.append(f"{paths[0].name} has no column {', '.join(lacking)}")
    images = raw_images(settings)
    if images and not any(map(is_whole, images)):
        found.append(f"all {count(len(images), 'T1w image')} in {settings.images} have 0 bytes: copy them again")
    if not images:
        form = {
            "oasis3-to-bids": "OAS3...._MR_d..../**/sub-*_T1w.nii.gz",
            "aibl-to-bids": "<number>/MPRAGE*/<date>/<image>",
        }
        found.append(f"no T1w image {form[settings.converter]} in {settings.images}")
    return found


def require_ready(settings: Clinica) -> None:
    """Raises:
    UserError: something is missing for the conversion.
    """
    missing = problems(settings) + [str(finding) for finding in tool_findings()]
    if missing:
        raise UserError(f"The raw files for clinica {settings.converter} are not ready: {'; '.join(missing)}.")


def find_tables(folder: Path, pattern: str) -> list[Path]:
    """Files of one table: anywhere below the folder for OASIS-3, in it for AIBL, as Clinica looks for them."""
    found = folder.rglob(pattern) if pattern.startswith("*") else folder.glob(pattern)
    return sorted(path for path in found if not path.name.startswith("."))


def raw_images(settings: Clinica) -> list[RawImage]:
    """The T1w images of a study, whatever lies above the folders of its sessions."""
    if settings.converter == "oasis3-to-bids":
        return oasis_images(settings.images)
    return aibl_images(settings.images)


def is_whole(image: RawImage) -> bool:
    """Whether the file, and of a folder every file, has any bytes, as far as it can be looked at."""
    files = image.path.iterdir() if image.path.is_dir() else [image.path]
    sizes = [path.stat().st_size if path.is_file() else 0 for path in files if not path.name.startswith(".")]
    return bool(sizes) and all(sizes)


def hollow_ones(images: list[RawImage]) -> str:
    """What is said of images that are left out, since they are none."""
    names = ", ".join(image.place for image in images[:3]) + (", ..." if len(images) > 3 else "")
    return f"{count(len(images), 'T1w image')} left out, whose files have 0 bytes or are not there: {names}"


def oasis_images(root: Path) -> list[RawImage]:
    """``OAS30001_MR_d0129/anat2/sub-OAS30001_ses-d0129_T1w.nii.gz``; each gets a folder of its own, as Clinica asks."""
    found, numbers = [], dict[str, int]()
    for path in sorted(root.rglob("*_T1w.nii.gz")):
        session = next((part for part in path.relative_to(root).parts if OASIS_SESSION.fullmatch(part)), None)
        if session is None or not OASIS_IMAGE.fullmatch(path.name):
            continue
        numbers[session] = numbers.get(session, 0) + 1
        found.append(RawImage(session.split("_")[0], path, f"{session}/anat{numbers[session]}/{path.name}"))
    return found


def aibl_images(root: Path) -> list[RawImage]:
    """Series of AIBL: ``10/MPRAGE_ADNI_confirmed/2007-01-18_10_20_30.0/I12345/*.dcm``."""
    found = []
    for path in sorted(root.glob("*/*/*/*")):
        subject, kind, date, _ = path.relative_to(root).parts
        if path.is_dir() and AIBL_SUBJECT.fullmatch(subject) and AIBL_T1W.fullmatch(kind) and AIBL_DATE.fullmatch(date):
            found.append(RawImage(subject, path, path.relative_to(root).as_posix()))
    return found


def convert_study(settings: Clinica, bids: Path, visits: Path, report: Path, scratch: Path) -> None:
    """Run Clinica's converter and put its dataset at ``bids``; write the ``visits`` of the scans, and a ``report``.

    Args:
        scratch: a folder for links, the dataset in the making and Clinica's log.

    Raises:
        UserError: something is missing, ``bids`` holds another cohort, or Clinica ends with an error.
        MachineError: Clinica's output or its disk says that the machine is the cause.
    """
    require_ready(settings)
    images = raw_images(settings)
    hollow = [image for image in images if not is_whole(image)]
    images = [image for image in images if image not in hollow]
    if hollow:
        logger.warning("%s", hollow_ones(hollow))
    record = report.with_name(RECORD)
    require_same(record, settings, images)
    tree, made = scratch / "images", bids.with_name(f".incoming-{bids.name}")
    for folder in (tree, made):
        shutil.rmtree(folder, ignore_errors=True)
    scratch.mkdir(parents=True, exist_ok=True)
    with blaming_the_machine(scratch):
        for image in images:
            target = tree / image.place
            target.parent.mkdir(parents=True, exist_ok=True)
            target.symlink_to(image.path.resolve())
    tables = write_tables(settings, scratch / "tables")
    run_converter(settings.converter, tree, tables, made, scratch)
    kept = sorted(path.relative_to(made).as_posix() for path in made.glob("sub-*/ses-*/anat/*_T1w.nii.gz"))
    if not kept:
        raise UserError(f"clinica {settings.converter} made no T1w image; see the end of {scratch / 'clinica.log'}.")
    table = oasis_visits(made, settings.tables) if settings.converter == "oasis3-to-bids" else aibl_visits(made)
    replace(made, bids)
    write_json(record, {"converter": settings.converter, "subjects": subjects_of(images)})
    write_tsv(visits, table)
    note = f"{len(kept)} of {count(len(images), 'T1w image')} arrived"
    if len(kept) < len(images):
        note += f"; {LOST[settings.converter]}"
    logger.log(logging.WARNING if len(kept) < len(images) else logging.INFO, "clinica %s", note)
    write_json(report, {"converter": settings.converter, "images": len(images), "arrived": len(kept), "note": note})
    for folder in (tree, tables):
        shutil.rmtree(folder)


def write_tables(settings: Clinica, out: Path) -> Path:
    """The study's tables as Clinica reads them (UTF-8, commas), however they were saved; returns ``out``."""
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    for pattern in TABLES[settings.converter]:
        (path,) = find_tables(settings.tables, pattern)
        read_text_table(path).frame().to_csv(out / path.name, index=False)
    return out


def subjects_of(images: list[RawImage]) -> list[str]:
    """The subjects of some images, each once."""
    return sorted({image.subject for image in images})


def require_same(record: Path, settings: Clinica, images: list[RawImage]) -> None:
    """Raises:
    UserError: the results were made of another study, or of other subjects than half of the ones here.
    """
    known = read_json(record) if record.is_file() else None
    if known is None:
        return
    shared = set(known["subjects"]) & set(subjects_of(images))
    if known["converter"] != settings.converter or 2 * len(shared) < len(known["subjects"]):
        raise UserError(
            f"The results were made of other raw files ({known['converter']}, {len(known['subjects'])} subjects, "
            f"{len(shared)} of them here): choose another results_dir, or move what is there aside with "
            "`ldae fresh --cohort`."
        )


def run_converter(converter: str, tree: Path, tables: Path, made: Path, scratch: Path) -> None:
    """One run of the real converter; its output goes to ``scratch/clinica.log``."""
    options = ["-np", "1"] if converter == "aibl-to-bids" else []
    folders = [str(path.resolve()) for path in (tree, tables, made)]
    command = [clinica_command(), "convert", converter, *options, *folders]
    done = subprocess.run(command, env=environment(), cwd=scratch, capture_output=True, text=True, errors="replace")
    with blaming_the_machine(scratch):
        (scratch / "clinica.log").write_text(done.stdout + done.stderr, encoding="utf-8")
    if done.returncode:
        require_sound(done.stdout + done.stderr, scratch)
        error = without_folders(last_error(done.stdout + done.stderr), tree, tables, made)
        raise UserError(f"clinica {converter} ends with: {error}; see {scratch / 'clinica.log'}.")


def replace(made: Path, bids: Path) -> None:
    """Put the dataset in its place; the one that an earlier run made there goes."""
    old = bids.with_name(f".old-{bids.name}")
    shutil.rmtree(old, ignore_errors=True)
    if bids.exists():
        bids.rename(old)
    made.rename(bids)
    shutil.rmtree(old, ignore_errors=True)


def oasis_visits(bids: Path, tables: Path) -> pd.DataFrame:
    """One row per session of the dataset: days and age at the scan, CDR and MMSE of the nearest clinical visit of the
    same participant within a year."""
    sessions = sessions_of(bids)
    sessions["day"] = pd.to_numeric(sessions["source_session_id"].str.removeprefix("d"), errors="coerce")
    people = only(tables, "*OASIS3_demographics.csv")
    entry = pd.to_numeric(people["AgeatEntry"], errors="coerce")
    entry.index = "sub-" + people["OASISID"]
    clinical = only(tables, "*OASIS3_UDSb4_cdr.csv")
    clinical = clinical.assign(
        participant_id="sub-" + clinical["OASISID"], day=pd.to_numeric(clinical["days_to_visit"], errors="coerce")
    )
    clinical = clinical.dropna(subset=["day"]).sort_values("day")[["participant_id", "day", "MMSE", "CDRTOT"]]
    sessions = sessions.dropna(subset=["day"]).sort_values("day")
    found = pd.merge_asof(
        sessions[["participant_id", "session_id", "day"]].astype({"day": float}),
        clinical.astype({"day": float}),
        on="day",
        by="participant_id",
        direction="nearest",
        tolerance=NEAREST_DAYS,
    )
    age = found["participant_id"].map(entry[~entry.index.duplicated()]) + found["day"] / DAYS_PER_YEAR
    found = found.assign(age=age.round(2), months=(found["day"] / DAYS_PER_MONTH).round(2))
    columns = ["participant_id", "session_id", "months", "age", "MMSE", "CDRTOT"]
    return found.sort_values(["participant_id", "session_id"])[columns].replace("", None)


def aibl_visits(bids: Path) -> pd.DataFrame:
    """The sessions of the dataset as Clinica wrote them, in one table."""
    return sessions_of(bids)


def sessions_of(bids: Path) -> pd.DataFrame:
    """Every sub-*_sessions.tsv, cells as text."""
    rows = []
    for path in sorted(bids.glob("sub-*/sub-*_sessions.tsv")):
        table = read_tsv(path, dtype=str)
        table.insert(0, "participant_id", path.parent.name)
        rows.append(table)
    return pd.concat(rows, ignore_index=True) if rows else pd.DataFrame(columns=["participant_id", "session_id"])


def only(tables: Path, pattern: str) -> pd.DataFrame:
    """The one table of a name, cells as text."""
    return read_text_table(find_tables(tables, pattern)[0]).frame()
