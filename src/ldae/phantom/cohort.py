"""Write a whole synthetic cohort: images, tables, truth. Resumes where it was interrupted."""

import logging
import shutil
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Protocol

import pandas as pd

from ldae.config import Phantom, Scanner
from ldae.core.batches import track
from ldae.core.errors import UserError
from ldae.core.files import digest, read_json, write_json, write_tsv
from ldae.core.keyed import stream
from ldae.core.keys import KEY
from ldae.core.runtime import starting_deaf_processes
from ldae.phantom.anatomy import Anatomy, load_anatomy
from ldae.phantom.bids_dataset import BidsDataset
from ldae.phantom.dicom import Download
from ldae.phantom.loni_images import Image, images_of
from ldae.phantom.scan import Scan, head_shape, make_scan
from ldae.phantom.visit_schedule import Plan, Visit, cognition_at, plan_cohort

logger = logging.getLogger("ldae")

VERSION = 1  # of the phantom's content; part of the digest
LEADING_COLUMNS = (*KEY, "image_id", "diagnosis", "months", "age", "sex", "site")  # of truth

_worker: dict[str, Anatomy] = {}  # one anatomy per worker process


class Form(Protocol):
    """How a cohort lies on disk."""

    @property
    def folders(self) -> tuple[Path, ...]:
        """They hold images and tables of the cohort and nothing else; the first holds the images."""

    def holds(self, plan: Plan, visit: Visit, images: list[Image]) -> bool:
        """Whether all images of a visit are there, whole."""

    def write_images(self, plan: Plan, visit: Visit, images: list[Image], scan: Scan, broken: frozenset[int]) -> None:
        """Write a visit's images, those in ``broken`` cut short."""

    def write_tables(self, plans: list[Plan], images: list[Image], seed: int) -> None:
        """Write what the study knows of subjects, visits and images."""


@dataclass(frozen=True)
class _Job:
    """Everything one subject's images need."""

    plan: Plan
    form: Form
    records: Path
    seed: int
    voxel_mm: float
    broken: frozenset[int]
    scanner: Scanner
    torque_mm: float
    rich: bool


def make_raw_adni(
    out: Path, settings: Phantom, seed: int, processes: int = 1, anatomy_cache: Path | None = None
) -> None:
    """Make a raw ADNI download: ``out/ADNI``, ``out/clinical``, ``out/truth.tsv`` and, last, ``out/phantom.json``.

    Every image depends on (seed, subject, visit) alone. Finished images of an earlier, interrupted call with the same
    settings are kept. The anatomy is kept in ``anatomy_cache`` (default ``out/anatomy.npz``).

    Raises:
        UserError: ``out/ADNI`` or ``out/clinical`` holds anything that this function did not make.
    """
    out = Path(out)
    _make(Download(out / "ADNI", out / "clinical"), out, settings, seed, processes, anatomy_cache)


def make_bids(out: Path, settings: Phantom, seed: int, processes: int = 1, anatomy_cache: Path | None = None) -> None:
    """Make the same cohort as a BIDS dataset, ``out/bids``; ``out/truth.tsv`` and ``out/phantom.json`` lie beside it.

    Raises:
        UserError: ``out/bids`` holds anything that this function did not make.
    """
    out = Path(out)
    _make(BidsDataset(out / "bids"), out, settings, seed, processes, anatomy_cache)


def _make(form: Form, out: Path, settings: Phantom, seed: int, processes: int, anatomy_cache: Path | None) -> None:
    identity = digest({"settings": settings.described(), "seed": seed, "version": VERSION})
    records = _claim(out, form, identity)
    plans = plan_cohort(settings, seed)
    broken = broken_images(plans, seed, settings.broken_scans)
    cache = Path(anatomy_cache) if anatomy_cache is not None else out / "anatomy.npz"
    load_anatomy(cache)  # built once, before any worker needs it
    how = (seed, settings.voxel_mm, broken, settings.scanner, settings.torque_mm, settings.variety == "rich")
    jobs = [_Job(plan, form, records, *how) for plan in plans]
    rows = [row for subject_rows in _run(jobs, cache, processes) for row in subject_rows]
    images = [image for plan in plans for visit in plan.visits for image in images_of(seed, plan, visit)]
    form.write_tables(plans, images, seed)
    write_tsv(out / "truth.tsv", _truth_table(rows))
    write_json(out / "phantom.json", _description(identity, settings, seed, plans, images, broken))


def _truth_table(rows: list[dict]) -> pd.DataFrame:
    table = pd.DataFrame(rows).sort_values(KEY, ignore_index=True)
    return table[[*LEADING_COLUMNS, *sorted(set(table.columns) - set(LEADING_COLUMNS))]]


def _claim(out: Path, form: Form, identity: str) -> Path:
    """Mark ``out`` as the place of this cohort; a synthetic cohort with other settings makes room for it.

    Its folders are moved aside (``ADNI.aside-1``), since files of the user's may lie in them by now. Returns the folder
    of the finished scans' truth.
    """
    state = out / ".phantom"
    mark = state / "cohort.json"
    for folder in form.folders:
        if not mark.is_file() and folder.is_dir() and any(folder.iterdir()):
            raise UserError(f"{folder} holds files that are not synthetic; choose another folder for the phantom.")
    if mark.is_file() and read_json(mark) != identity:
        for old in form.folders:
            _set_aside(old)
        shutil.rmtree(state / "truth", ignore_errors=True)
    write_json(mark, identity)
    return state / "truth"


def _set_aside(folder: Path) -> None:
    if not folder.is_dir() or not any(folder.iterdir()):
        return
    count = 1
    while (aside := folder.with_name(f"{folder.name}.aside-{count}")).exists():
        count += 1
    folder.rename(aside)
    logger.info("%s held a synthetic cohort with other settings; it is %s now and may be deleted", folder, aside)


def broken_images(plans: list[Plan], seed: int, count: int) -> frozenset[int]:
    """Ids of ``count`` chosen images to damage: follow-ups first, of subjects with extra visits who do not convert.

    At most one per subject.

    Raises:
        UserError: there are fewer subjects than scans to damage.
    """
    if count > len(plans):
        raise UserError(f"phantom.broken_scans is {count}, but the cohort has {len(plans)} subjects; at most one each.")
    candidates = []
    for plan in plans:
        visit = plan.visits[min(1, len(plan.visits) - 1)]
        chosen = next(image for image in images_of(seed, plan, visit) if image.chosen)
        order = (visit.months == 0, plan.subject.converter, not plan.extra_visits, len(plan.visits) < 3)
        candidates.append((*order, stream(seed, "broken", plan.subject.rid).random(), chosen.image_id))
    return frozenset(candidate[-1] for candidate in sorted(candidates)[:count])


def _run(jobs: list[_Job], cache: Path, processes: int) -> Iterator[list[dict]]:
    """Rows of truth, subject by subject, in any order."""
    label = "Making synthetic scans"
    if processes <= 1:
        _start_worker(cache)
        yield from track(map(_make_subject, jobs), label, total=len(jobs))
        return
    # spawn, not fork: the caller may have threads
    with ProcessPoolExecutor(processes, get_context("spawn"), _start_worker, (cache,)) as pool:
        with starting_deaf_processes():  # a subject that was begun is finished
            futures = [pool.submit(_make_subject, job) for job in jobs]
        try:
            for future in track(as_completed(futures), label, total=len(futures)):
                yield future.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _start_worker(cache: Path) -> None:
    _worker["anatomy"] = load_anatomy(cache)


def _make_subject(job: _Job) -> list[dict]:
    """Write one subject's images; returns one row of truth per visit."""
    shape_field = None
    rows = []
    for visit in job.plan.visits:
        images = images_of(job.seed, job.plan, visit)
        chosen = next(image for image in images if image.chosen)
        record = job.records / f"I{chosen.image_id}.json"
        if not record.is_file() or not job.form.holds(job.plan, visit, images):
            if shape_field is None:
                shape_field = head_shape(job.seed, job.plan.subject.rid, job.torque_mm, job.rich)
            options = {"shape_field": shape_field, "scanner": job.scanner, "rich": job.rich}
            scan = visit_scan(_worker["anatomy"], job.plan, visit, job.seed, job.voxel_mm, **options)
            job.form.write_images(job.plan, visit, images, scan, job.broken)
            write_json(record, scan.truth | _visit_columns(job, visit, chosen))
        rows.append(read_json(record))
    return rows


def visit_scan(anatomy: Anatomy, plan: Plan, visit: Visit, seed: int, voxel_mm: float, **options: Any) -> Scan:
    """The scan of one visit as it lies in the download; ``options`` go to :func:`make_scan` (clean twin, amp)."""
    months = visit.elapsed_years * 12
    return make_scan(anatomy, plan.subject, months, visit.session, seed, voxel_mm, **options)


def _visit_columns(job: _Job, visit: Visit, chosen: Image) -> dict[str, str | int | float]:
    plan, cognition = job.plan, cognition_at(job.seed, job.plan, visit)
    return {
        "participant_id": plan.subject.participant_id,
        "session_id": f"ses-{visit.session}",
        "image_id": chosen.image_id,
        "diagnosis": plan.diagnosis(visit),
        "months": visit.months,
        "elapsed_months": visit.elapsed_years * 12,
        "mmse": cognition.mmse,
        "cdr": cognition.cdr_global,
        "cdr_sb": cognition.cdr_sum,
        "phase": visit.phase,
        "field_strength": visit.field_strength,
        "broken": int(chosen.image_id in job.broken),
    }


def _description(
    identity: str, settings: Phantom, seed: int, plans: list[Plan], images: list[Image], broken: frozenset[int]
) -> dict:
    return {
        "digest": identity,
        "seed": seed,
        "settings": settings.described(),
        "subjects": len(plans),
        "converters": sorted(plan.subject.participant_id for plan in plans if plan.subject.converter),
        "images": len(images),
        "scans": sum(image.chosen for image in images),
        "broken_images": sorted(broken),
    }
