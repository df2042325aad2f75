"""What a long study makes, written down batch by batch: a job that was stopped goes on where it was.

They lie beside the study's outputs, undeclared, so that Snakemake does not remove them with those of a job that failed,
and are removed when the study is whole. They count only for the same settings, code and inputs. Several processes may
share the work (:mod:`ldae.studies.common.shares`): each makes every so-manieth piece, and nobody else writes it.
"""

import json
import logging
import shutil
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np

from ldae.core.errors import UserError
from ldae.core.files import atomic_path, digest, read_json, sha256_file, write_text
from ldae.studies.common.codes_read import Reads
from ldae.studies.common.shares import Share

FOLDER = "pieces"
logger = logging.getLogger("ldae")
Rows = list[dict[str, Any]]
Arrays = dict[str, np.ndarray]


@contextmanager
def whole(path: Path) -> Iterator[None]:
    """Read a piece. Where there is none, or a damaged one (a disk that was full, a copy that broke off), what follows
    the block makes it anew; a retry would meet a damaged piece for ever."""
    try:
        yield
    except FileNotFoundError:
        return
    except (UserError, ValueError, KeyError, TypeError, EOFError, BadZipFile, zlib.error) as error:
        logger.warning("The piece %s is damaged (%s): it is made again.", path, str(error).splitlines()[0][:200])


class Pieces:
    """Those of one study.

    Args:
        folder: of the study; none: nothing is kept.
        key: what the pieces depend on.
        share: of this process, which makes its own pieces and nothing else; none: all, and what is made of them.
    """

    def __init__(self, folder: Path | None = None, key: object = None, share: Share | None = None):
        self.folder = None if folder is None else Path(folder) / FOLDER / digest(key)
        self.share, self.turn = share, 0

    @classmethod
    def of_job(
        cls, folder: Path, params: Mapping[str, Any], inputs: Iterable[str], share: Share | None = None
    ) -> "Pieces":
        """Of a rule with these parameters and input files; a model's file stands for itself by its model.json."""
        files = [Path(path) for path in inputs]
        described = [path.with_name("model.json") if path.suffix == ".safetensors" else path for path in files]
        values = {name: value for name, value in params.items() if not callable(value)}
        return cls(folder, {"params": values, "inputs": [sha256_file(path) for path in described]}, share)

    def rows(self, name: str, reads: Reads, make: Callable[[], Rows], kept: bool = True) -> Rows:
        """What an earlier attempt has written down under this name, or what ``make`` returns; the cached codes that
        were read for them are noted either way. Nothing where the piece is another process's.

        Args:
            kept: else it is not written down: ``make`` has more to give than rows, and is called by whoever has no
                share.
        """
        if not self._own(kept):
            return []
        if self.folder is None or not kept:
            return make()
        path = self.folder / f"{name}.json"
        with whole(path):
            content = read_json(path)
            kept_reads, rows = [(place, read) for place, read in content["reads"]], list(content["rows"])
            for place, read in kept_reads:
                reads.note(place, read)
            return rows
        first = len(reads.taken)
        made = make()
        content = {"rows": made, "reads": reads.taken[first:]}
        write_text(path, json.dumps(content, default=lambda number: number.item()))  # numpy's; NaN is written as such
        return made

    def arrays(self, name: str, make: Callable[[], Arrays]) -> Arrays:
        """What an earlier attempt has written down under this name, or what ``make`` returns."""
        if self.folder is None:
            return make()
        path = self.folder / f"{name}.npz"
        with whole(path), np.load(path, allow_pickle=False) as kept:
            return dict(kept)
        made = make()
        with atomic_path(path) as temporary, open(temporary, "wb") as handle:
            np.savez(handle, allow_pickle=False, **made)
        return made

    def _own(self, kept: bool) -> bool:
        """Whether the next piece is for this process to make."""
        if self.share is None:
            return True
        self.turn += kept
        return kept and (self.turn - 1) % self.share.of == self.share.own

    def clear(self) -> None:
        """The study is whole: its pieces, and those of other settings, have no use any more."""
        if self.folder is not None:
            shutil.rmtree(self.folder.parent, ignore_errors=True)


WHOLE = Pieces()  # keeps nothing
