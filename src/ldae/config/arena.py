"""The arena: which codes compete with y_sem, and on which tasks."""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

from pydantic import Field, model_validator

from ldae.config.section import Positive, Section, require_whole
from ldae.core.errors import UserError

ROWS = (  # what always competes, or says why it cannot
    "oracle",
    "ldae",
    "latents_pooled",
    "latents_pca",
    "pca_voxels_once",
    "region_volumes",
    "tissue_volumes",
    "age_sex",
    "age_sex_volumes",
    "supervised_features",
    "untrained_encoder",
    "dae",
)
TASKS = ("diagnosis", "age", "sex", "mmse")  # columns of scans.tsv that are asked for anyway
CODE_NAME = re.compile(r"[a-z][a-z0-9_]{0,23}")
NUMBERED_ALIKE = 5  # names that differ in a number alone: of so many the look at what leaves says that they are people


def _numbered(names: Iterable[str]) -> list[str]:
    """Names that are one word with different numbers, where there are so many that they look like people."""
    groups: dict[str, list[str]] = {}
    for name in names:
        if found := re.fullmatch(r"([a-z][a-z0-9_]*?)_*\d{1,6}", name):
            groups.setdefault(found[1], []).append(name)
    return next((group for group in groups.values() if len(group) >= NUMBERED_ALIKE), [])


class Arena(Section):
    """Codes of your own, or of other programs, in the folds and splits of y_sem."""

    codes: dict[str, Path] = Field(
        {},
        description="name: a table of numbers (TSV or CSV; also as asegstats2table, aparcstats2table, SynthSeg and "
        "Clinica write it) or a folder of <subject>_<session>.npy; each competes with y_sem",
    )
    tasks: list[str] = Field(
        [], description="further columns of scans.tsv that are read from every code: numbers, or two to six classes"
    )
    conversion_months: Positive = Field(
        36, description="MCI is progressive when it becomes AD within so many months, stable when it is known not to"
    )
    allow: dict[str, Annotated[str, Field(min_length=3)]] = Field(
        {}, description="code: why it competes although its guard finds a leak; the reason stands in the report"
    )

    @model_validator(mode="after")
    def _names_are_free(self) -> "Arena":
        odd = sorted(name for name in self.codes if not CODE_NAME.fullmatch(name))
        if odd:
            raise ValueError(
                f"arena.codes: {odd[0]!r} cannot be a name: 24 lower-case letters, digits and _ at most, a letter first"
            )
        taken = sorted(set(self.codes) & set(ROWS))
        if taken:
            raise ValueError(f"arena.codes: {taken[0]} is the name of a row that is always there; choose another")
        if alike := _numbered(self.codes):
            raise ValueError(
                f"arena.codes: {', '.join(alike)} differ in a number alone, as names of people do, and so no table "
                f"with them may leave the machine; name at most {NUMBERED_ALIKE - 1} of them so (small, large)"
            )
        known = ", ".join(self.codes) or "none"
        for name in self.allow:
            if name not in self.codes:
                raise ValueError(f"arena.allow: {name} is no code of arena.codes (there: {known})")
        twice = sorted({task for task in self.tasks if self.tasks.count(task) > 1 or task in TASKS})
        if twice:
            raise ValueError(f"arena.tasks: {twice[0]} is asked for already; take it out")
        for name, path in self.codes.items():
            require_whole(f"arena.codes.{name}", path)
        return self

    def require_there(self) -> None:
        """Raises:
        UserError: a file or folder of ``codes`` does not exist.
        """
        for name, path in self.codes.items():
            if not path.exists():
                raise UserError(f"arena.codes.{name}: {path} does not exist; give the table or folder of this code.")
