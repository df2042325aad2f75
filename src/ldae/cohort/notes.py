"""What was noticed on the way to the manifest: said in the log, and kept for the report."""

import logging
from collections.abc import Iterable, Iterator

from ldae.core.cells import Reading
from ldae.core.files import escaped

logger = logging.getLogger("ldae")


class Notes:
    """Sentences, each said once; ``doubled``: key and column of cells in which rows of one key differ."""

    def __init__(self, silent: bool = False) -> None:
        self.sentences: list[str] = []
        self.doubled: set[tuple[tuple[str, ...], str]] = set()
        self.silent = silent  # a column that is read twice is spoken of once

    def __iter__(self) -> Iterator[str]:
        return iter(self.sentences)

    def say(self, sentence: str) -> None:
        """Keep a sentence and log it, unless it was said before."""
        sentence = escaped(sentence)
        if not self.silent and sentence not in self.sentences:
            self.sentences.append(sentence)
            logger.warning("%s", sentence)

    def say_all(self, sentences: Iterable[str]) -> None:
        """:meth:`say` each of them."""
        for sentence in sentences:
            self.say(sentence)

    def reading(self, reading: Reading, what: str) -> None:
        """Say what could not be read of a column; ``what``: how the sentence calls it."""
        self.say_all(reading.sentences(what))
