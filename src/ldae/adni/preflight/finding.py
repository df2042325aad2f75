"""One problem of a download, and how it is worded."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from ldae.core.files import escaped

Severity = Literal["blocking", "quarantine", "note"]
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

    def __str__(self) -> str:
        used = f", used for {self.used}" if self.used else ""
        return escaped(f"{self.what} ({self.where}{used}): {self.fix}")


def shortened(names: Iterable[str], shown: int = 5) -> str:
    """``a, b and 3 more``."""
    names = list(names)
    more = f" and {len(names) - shown} more" if len(names) > shown else ""
    return ", ".join(names[:shown]) + more
