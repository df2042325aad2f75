"""What an x_T depends on besides the scan: the key under which a study asks for it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ldae import config
from ldae.inference.pipeline import LDAE

SWITCHES = ("posterior", "clamp_z0", "shift_at_sampling")  # of the method section, those that shape an inversion
MAIN = {True: "x_T", False: "x_T_unconditional"}  # stores of the main solver, by whether y_sem is used


@dataclass(frozen=True)
class CodeKey:
    """Model, direction of use and solver of one inversion.

    Attributes:
        model: digest of the representation model, or of the unconditional one.
        conditional: inverted with the scan's y_sem.
        method: the switches that shape an inversion, as (name, value) pairs.
    """

    model: str
    conditional: bool
    solver: str
    steps: int
    method: tuple[tuple[str, Any], ...]

    @classmethod
    def of(cls, ldae: LDAE, conditional: bool) -> "CodeKey":
        """The key of what ``ldae`` would invert now."""
        model = ldae.digest if conditional else ldae.unconditional_digest
        method = tuple((name, getattr(ldae.method, name)) for name in SWITCHES)
        return cls(model, conditional, ldae.sampling.solver, ldae.sampling.steps, method)

    @property
    def name(self) -> str:
        """Folder of a store of one of the further solvers."""
        return f"{MAIN[self.conditional]}_{self.solver}-{self.steps}"

    @property
    def names(self) -> tuple[str, str]:
        """Folders in which its store may stand: that of the main solver, and its own."""
        return MAIN[self.conditional], self.name

    def matches(self, meta: Mapping[str, Any]) -> bool:
        """Whether a store's description is that of this key."""
        known = config.Method.model_validate(meta.get("method", {}))
        found = tuple((name, getattr(known, name)) for name in SWITCHES)
        facts = tuple(meta.get(name) for name in ("model", "conditional", "solver", "steps"))
        return facts == (self.model, self.conditional, self.solver, self.steps) and found == self.method

    def __str__(self) -> str:
        kind = "with y_sem" if self.conditional else "unconditional"
        return f"model {self.model}, {kind}, {self.solver} with {self.steps} steps, {dict(self.method)}"
