"""What every job wrote, by content: ``checksums/<rule>.sha256`` in the results folder, one file per job.

A line is a digest and a path below the results folder, the rule's own outputs first, as ``sha256sum --check`` reads it
in the results folder. So a table that was cut off or changed between two rules is refused by the next job that reads it
(:func:`require_recorded`), a file that is gone or empty is planned again (:func:`not_whole`), and a whole folder can be
checked after it was copied (:func:`problems`). Arrays of stores have digests of their own (:mod:`ldae.core.store`).
Results of earlier versions have no records: their readers say nothing of these, and ``ldae verify`` names them.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from ldae.core.errors import UserError
from ldae.core.files import read_text, sha256_file, write_text
from ldae.core.store import missing_part, require_whole

FOLDER = "checksums"
BESIDE = ("manifest", "store", "evaluate", "paper", "model", "public")  # where what a job writes undeclared is recorded
IMAGES = ("raw", "bids", "derivatives")
NEVER_EMPTY = (".json", ".tsv", ".md", ".tex", ".html", ".svg", ".png", ".safetensors")
WEIGHTS = ".safetensors"  # compared with model.json when they are loaded
LONGEST_NAME, LONGEST_PATH = 255, 1024  # bytes
UNRECORDED = ("inventory_raw", "inventory_dataset")  # `ldae inventory` writes what they write, too
OF_NOBODY = ("manifest/raw_inventory.tsv", "manifest/dataset_inventory.tsv")
EMPTY = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"  # sha256 of nothing


@dataclass(frozen=True)
class Record:
    """What one job wrote: ``job`` is its rule and shard (``register_mni/0``), ``files`` path -> digest, and ``whole``
    says whether every line of it could be read."""

    job: str
    files: dict[str, str]
    whole: bool = True

    @property
    def rule(self) -> str:
        """Without the shard."""
        return self.job.split("/")[0]

    def again(self, results: Path | None) -> str:
        """What ``--forcerun`` takes for this job: its rule, or the first output of its shard; the rule where it is not
        known by which name the configuration calls the folder (None), or what the shard made."""
        shard = results is not None and self.rule != self.job and self.files
        return f"{results}/{next(iter(self.files))}" if shard else self.rule


def results_of(log: str | Path) -> tuple[Path, str] | None:
    """The results folder and the name of a job, by its log: ``results/demo/logs/register_mni/0.log``."""
    path = Path(log)
    folder = next((above for above in path.parents if above.name == "logs"), None)
    return None if folder is None else (folder.parent, path.relative_to(folder).with_suffix("").as_posix())


def record(log: str | Path, made: Iterable[str | Path], written: Iterable[str | Path]) -> None:
    """Write down what a job made.

    Args:
        log: of the job.
        made: its declared outputs; of a folder all files.
        written: whatever else it wrote; files that are gone, or belong to no kept part of the results, are left out.
            What an earlier attempt wrote and this one has kept stays in the record.
    """
    place = results_of(log)
    if place is None:
        return
    results, job = place
    declared = [file for path in map(Path, made) for file in (_files(path) if path.is_dir() else [path])]
    declared = [path for path in declared if path.is_file()]
    if not declared:
        return
    target = results / FOLDER / f"{job}.sha256"
    named = [_below(results, path) for path in declared]
    beside = [_below(results, Path(path)) for path in written if Path(path).is_file()]
    kept = [name for name in beside if name is not None and name.split("/")[0] in BESIDE]
    names = [name for name in dict.fromkeys([*named, *sorted(set(kept))]) if name is not None and "\n" not in name]
    found = {name: sha256_file(results / name) for name in names}
    earlier = _read(target).files if target.is_file() else {}
    found |= {name: known for name, known in earlier.items() if name not in found and (results / name).is_file()}
    write_text(target, "".join(f"{known}  {name}\n" for name, known in found.items()))


def records(results: Path, shards: bool = True) -> list[Record]:
    """All records of a results folder, by the names of their jobs.

    Args:
        shards: also those of rules that are done in shards.
    """
    folder = results / FOLDER
    return [_read(path) for path in sorted(folder.rglob("*.sha256") if shards else folder.glob("*.sha256"))]


def _read(path: Path) -> Record:
    job = path.relative_to(next(above for above in path.parents if above.name == FOLDER)).with_suffix("").as_posix()
    files = {}
    lines = read_text(path).splitlines()
    for line in lines:
        known, mark, name = line.partition("  ")
        parts = Path(name).parts
        inside = name and "\0" not in name and not Path(name).is_absolute() and ".." not in parts
        inside = inside and len(name.encode()) <= LONGEST_PATH
        if mark and len(known) == len(EMPTY) and inside and max(len(part.encode()) for part in parts) <= LONGEST_NAME:
            files[name] = known
    return Record(job, files, whole=len(files) == len(lines) > 0)


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def _below(results: Path, path: Path) -> str | None:
    try:
        return path.absolute().relative_to(results.absolute()).as_posix()
    except ValueError:
        return None


def require_recorded(log: str | Path, read: Iterable[str | Path]) -> None:
    """What a job is about to read is what other jobs wrote: its inputs, and what was written together with these.

    Args:
        log: of the job, by which the results folder is known.
        read: files and folders; what no job has recorded is not judged.

    Raises:
        UserError: one of them was changed or damaged since.
    """
    place = results_of(log)
    if place is None or not (place[0] / FOLDER).is_dir():
        return
    results, own = place
    names = {name for path in read if (name := _below(results, Path(path))) is not None}
    known = records(results, shards=False)
    if not names <= {name for each in known for name in each.files}:
        known = records(results)
    folders = tuple(f"{name}/" for name in names if (results / name).is_dir())
    sound: dict[str, set[str]] = {}
    makers: dict[str, Record] = {}
    for each in known:
        for name, digest in each.files.items():
            sound.setdefault(name, set()).add(digest)
            if each.job != own and (not names.isdisjoint(each.files) or name.startswith(folders)):
                makers[name] = each
    for name, maker in sorted(makers.items()):
        path = results / name
        if name.endswith(WEIGHTS) or not path.is_file():
            continue
        if sha256_file(path) not in sound[name]:
            raise UserError(
                f"{path} is not what {maker.rule} wrote there: it was changed or damaged. Run the same command with "
                f"`--forcerun {maker.again(results)}`, which makes it again, or put the file back."
            )


def not_whole(results: str | Path, outputs: Iterable[str | Path]) -> dict[str, str]:
    """Outputs of finished jobs that have to be made again: output that is there -> what is wrong, in words.

    A job that wrote several files is made again when one of these is gone or empty. Whole stores may be deleted to save
    space and are not missed; a store without one of its parts is.

    Args:
        outputs: those of rules without shards.
    """
    found = {}
    for path in map(Path, outputs):
        if not path.is_file():
            continue
        if path.stat().st_size == 0 and path.suffix in NEVER_EMPTY:
            found[str(path)] = f"{path} is empty"
        elif part := missing_part(path):
            found[str(path)] = f"{part} is missing or empty"
    for each in records(Path(results)):
        first = Path(results) / next(iter(each.files), "")
        if not first.is_file() or str(first) in found:
            continue
        for name, digest in each.files.items():
            path = Path(results) / name
            if not path.is_file() and path.name != "store.json" and not name.startswith("scratch/"):
                found[str(first)] = f"{path} is missing"
            elif path.is_file() and path.stat().st_size == 0 and digest != EMPTY:
                found[str(first)] = f"{path} is empty"
            elif part := missing_part(path):
                found[str(first)] = f"{part} is missing or empty"
    return found


@dataclass(frozen=True)
class Problem:
    """A file that is not what was recorded: ``what`` is ``missing``, ``changed`` or a sentence about a store."""

    name: str
    what: str
    record: Record


def problems(results: Path) -> Iterator[Problem]:
    """Every recorded file of a results folder that is missing or another one, stores that do not hold what they say,
    and records that are gone, empty or damaged though the log of their job is there; all of it is read."""
    known = records(results)
    yield from _lost(results, known)
    sound: dict[str, set[str]] = {}
    for each in known:
        for name, digest in each.files.items():
            sound.setdefault(name, set()).add(digest)
    seen = set()
    for each in known:
        for name in each.files:
            path = results / name
            if name in seen:
                continue
            seen.add(name)
            if not path.is_file():
                whole_store = path.name == "store.json" and not path.parent.is_dir()
                if not whole_store and not name.startswith("scratch/"):  # either may be deleted
                    yield Problem(name, "missing", each)
            elif sha256_file(path) not in sound[name]:
                yield Problem(name, "changed", each)
            elif path.name == "store.json":
                try:
                    require_whole(path.parent)
                except UserError as error:
                    yield Problem(name, str(error), each)


def deleted_stores(results: Path) -> list[str]:
    """Stores that a job has recorded and that are not there: they may be deleted, and nobody can judge them then."""
    named = {name for each in records(results) for name in each.files if Path(name).name == "store.json"}
    return sorted(str(Path(name).parent) for name in named if not (results / name).parent.is_dir())


def _lost(results: Path, known: Iterable[Record]) -> Iterator[Problem]:
    for each in known:
        if not each.whole:
            yield Problem(f"{FOLDER}/{each.job}.sha256", "changed", each)
    jobs = {each.job for each in known}
    for path in sorted((results / "logs").rglob("*.log")):
        job = path.relative_to(results / "logs").with_suffix("").as_posix()
        if job not in jobs and job not in UNRECORDED and not job.startswith("slurm"):
            yield Problem(f"{FOLDER}/{job}.sha256", "missing", Record(job, {}))


def unrecorded(results: Path) -> list[str]:
    """Files in the kept parts of a results folder that no record names. Arrays and indices of stores, lists that ``ldae
    inventory`` rewrites, and what a killed writer left (but in ``public``) are none of these."""
    named = {name for each in records(results) for name in each.files}
    found = []
    for part in BESIDE:
        for path in sorted((results / part).rglob("*")):
            name = path.relative_to(results).as_posix()
            left = path.name.startswith(".tmp-") and part != "public"
            of_store = (path.parent / "store.json").is_file()
            if path.is_file() and name not in named and not (of_store or left or name in OF_NOBODY):
                found.append(name)
    return found


def images(results: Path) -> dict[str, int]:
    """Folder -> files that are not judged since they are images, or lie beside images: no digest of these is kept."""
    named = {name for each in records(results) for name in each.files}
    found = {}
    for part in IMAGES:
        files = (path for path in (results / part).rglob("*") if path.is_file())
        if count := sum(path.relative_to(results).as_posix() not in named for path in files):
            found[part] = count
    return found
