"""What every section of the configuration is made of."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Fraction = Annotated[float, Field(ge=0, le=1)]


Positive = Annotated[int, Field(ge=1)]


Revision = Annotated[
    int, Field(ge=1, description="raise it by hand to have this step, and all that follows it, done again")
]


Beta = Annotated[float, Field(gt=0, lt=1)]


def require_groups(channels: list[int], groups: int) -> None:
    """Raises:
    ValueError: a group normalisation cannot divide one of these numbers of channels.
    """
    for width in channels:
        if width % groups:
            raise ValueError(f"channels {width} is not a multiple of norm_groups {groups}")


class Section(BaseModel):
    """A part of the configuration: immutable; an unknown key in it is an error, and so is a number without end."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)
