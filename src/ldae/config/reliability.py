"""Travelling phantoms: how many heads go to how many scanners, and how often."""

from pydantic import Field

from ldae.config.section import Positive, Section


class Reliability(Section):
    """The same phantom heads on several scanners, several times."""

    heads: int = Field(24, ge=3, description="test subjects whose head travels at most, of AD, CN and MCI in turn")
    scanners: int = Field(4, ge=2, le=8, description="scanners that every head goes to, of the phantom's eight")
    repeats: int = Field(2, ge=2, description="scans of a head on each scanner, every one a session of its own")
    harmonise: bool = Field(
        True, description="every code once more after ComBat, its scanners' shifts and scales known from other heads"
    )
    permutations: Positive = Field(
        500, description="permuted scanners that the scanner read from a code is held against"
    )
