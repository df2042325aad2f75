"""One problem of a download, and how it is worded."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from ldae.core.cells import cut
from ldae.core.files import escaped
from ldae.core.text_tables import listed

Severity = Literal["blocking", "quarantine", "note"]
NOTHING = re.compile(r"none needed(?! if)")
BRIEF = 200  # letters of a line that can be read at a glance
SINGULAR = {"have": "has", "are": "is", "lack": "lacks", "hold": "holds", "lie": "lies", "were": "was"}
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

    @property
    def place(self) -> str:
        """Where it is, and what for it matters."""
        return f"{self.where}, used for {self.used}" if self.used else self.where

    def __str__(self) -> str:
        return escaped(f"{open_end(self.what)} ({self.place}): {open_end(self.fix)}")

    def lines(self) -> list[str]:
        """As :meth:`__str__`, for a terminal: of a long one a short sentence comes first, its details beneath."""
        whole = str(self)
        if len(whole) <= BRIEF:
            return [whole]
        head, _, rest = self.what.partition("; ")
        if len(head) > BRIEF:
            head, _, rest = self.what.partition(": ")
        details = [part for part in rest.split("; ") if part]
        if len(head) + len(self.place) < BRIEF:
            head = f"{open_end(head)} ({self.place})"
        else:
            details.append(f"({self.place})")
        lines = [head, *(f"    {line}" for line in [*details, f"to do: {self.fix}"])]
        return [escaped(open_end(line)) for line in lines]


def open_end(text: str) -> str:
    """A sentence without the full stop at its end, since more follows."""
    return text if text.endswith("...") else text.removesuffix(".")


def counted(number: int, what: str) -> str:
    """``3 images have gaps``, ``1 image has gaps``: a number and what is said of so many, in the plural."""
    words = what.split(" ")
    verb = next((place for place, word in enumerate(words) if word in SINGULAR), None)
    if number == 1 and verb is not None:
        noun = next(place for place in range(verb + 1) if words[place].endswith("s") or place == verb)
        words[verb] = SINGULAR[words[verb]]
        words[noun] = words[noun].removesuffix("s") if noun != verb else words[noun]
        words = [{"their": "its"}.get(word, word) for word in words]
    return f"{number} {' '.join(words)}"


def shortened(names: Iterable[str], shown: int = 5) -> str:
    """``a, b and 3 more``, each once."""
    return listed(dict.fromkeys(names), shown)
