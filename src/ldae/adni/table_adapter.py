"""The study tables as the converters read them, written to a folder of our own: Clinica's, and beside them ADNI4's."""

from collections.abc import Mapping
from pathlib import Path

from ldae.adni.adni4_tables import Adni4, adni4_of, set_apart, write_adni4
from ldae.adni.clinica_tables import AdaptedTable, adapt_tables
from ldae.adni.disk import SubjectFiles
from ldae.adni.inventory import subject_folders
from ldae.core.errors import UserError
from ldae.core.files import atomic_path, sha256_file, write_json

REPORT = "adapted.json"


def split_tables(
    images: Path, tables: Path, adni4: bool, files: Mapping[str, SubjectFiles] | None = None
) -> tuple[dict[str, AdaptedTable], Adni4 | None]:
    """Clinica's tables, by its names, without what is of ADNI4; and that, where any of it is on disk.

    Args:
        adni4: False leaves it with Clinica, which passes over it.
        files: PTID -> files on disk, where they are known already.
    """
    return apart(adapt_tables(images, tables), images, tables, adni4, files)


def apart(
    adapted: dict[str, AdaptedTable],
    images: Path,
    tables: Path,
    adni4: bool,
    files: Mapping[str, SubjectFiles] | None = None,
) -> tuple[dict[str, AdaptedTable], Adni4 | None]:
    """The same of tables that are adapted already."""
    found = adni4_of(images, tables, adapted, files) if adni4 else None
    return (set_apart(adapted, found) if found is not None else adapted), found


def nothing_for_clinica(images: Path, found: Adni4 | None) -> bool:
    """Whether all subjects on disk are of ADNI4 alone, so that Clinica's tables are not needed."""
    subjects = {path.name for path in subject_folders(images)}
    return found is not None and bool(subjects) and subjects <= found.alone


def write_adapted_tables(images: Path, tables: Path, out: Path, adni4: bool = True) -> None:
    """Write the tables to the folder ``out`` and, last, ``adapted.json``: what each was made of.

    Args:
        adni4: ``convert.adni4``: with the tables of ADNI4, where any of it is on disk.

    Raises:
        UserError: a table that is needed is missing or incomplete.
    """
    adapted, found = split_tables(images, tables, adni4)
    short = [name for name, item in adapted.items() if not item.usable and not item.table.optional]
    short = [] if nothing_for_clinica(images, found) else short
    short += [] if found is None else [name for name in found.short if name not in short]
    if short:
        names = ", ".join(short)
        raise UserError(f"The tables in {tables} are not enough: run ldae preflight and mend {names}.")
    report, kept = {}, set()
    for name, item in adapted.items():
        if item.content is None or not item.usable:
            continue
        target = out / f"{name}.csv"
        with atomic_path(target) as temporary:
            if item.changes:
                item.content.to_csv(temporary, index=False, lineterminator="\n")
            else:
                temporary.write_bytes(item.paths[0].read_bytes())
        kept.add(target)
        source = item.paths[0].relative_to(tables).as_posix()
        report[name] = {"source": source, "changes": list(item.changes), "sha256": sha256_file(target)}
    for path in set(out.glob("*.csv")) - kept:
        path.unlink()
    write_adni4(found, out)
    write_json(out / REPORT, report)
