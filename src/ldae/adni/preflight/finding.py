"""One problem of a download, and how it is worded."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from ldae.core.cells import cut
from ldae.core.files import escaped

Severity = Literal["blocking", "quarantine", "note"]
NOTHING = re.compile(r"none needed(?! if)")
BRIEF = 200  # letters of a note that needs nothing
SEVERITIES = ("blocking", "quarantine", "note")


@dataclass(frozen=True)
class Finding:
    """``what`` is wrong, ``where``, what it is ``used`` for, and the ``fix`` (with the LONI page if it helps).

    Severities: ``blocking``: nothing can replace it, the conversion cannot run; ``quarantine``: some scans or subjects
    will be left out; ``note``: worth knowing.
    """

    severity: Severity
    what: str
    where: str
    fix: str
    used: str = ""

    @property
    def needs_nothing(self) -> bool:
        """Whether the finding is told for the record alone."""
        return self.severity == "note" and NOTHING.match(self.fix) is not None

    def brief(self) -> str:
        """What was found, in a line: enough where nothing is to be done about it."""
        return escaped(cut(self.what, BRIEF))

    def __str__(self) -> str:
        used = f", used for {self.used}" if self.used else ""
        return escaped(f"{self.what} ({self.where}{used}): {self.fix}")


def shortened(names: Iterable[str], shown: int = 5) -> str:
    """``a, b and 3 more``."""
    names = list(names)
    more = f" and {len(names) - shown} more" if len(names) > shown else ""
    return ", ".join(names[:shown]) + more
