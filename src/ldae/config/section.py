"""What every section of the configuration is made of."""

import os
from pathlib import Path
from typing import Annotated, Any, Self, get_args

from pydantic import BaseModel, ConfigDict, Field, model_validator

from ldae.core.files import CONTROL

LARGEST = 10**9  # nothing here is counted or measured in more
LONGEST_NAME = 255  # bytes, on the common file systems

Fraction = Annotated[float, Field(ge=0, le=1)]


Positive = Annotated[int, Field(ge=1)]


Axis = Annotated[int, Field(ge=1, le=1024)]  # voxels along one; at 1024 a volume has four gigabytes in float32


Shards = Annotated[int, Field(ge=1, le=10_000)]  # each is a job


Revision = Annotated[
    int, Field(ge=1, description="raise it by hand to have this step, and all that follows it, done again")
]


Beta = Annotated[float, Field(gt=0, lt=1)]


def require_groups(channels: list[int], groups: int) -> None:
    """Raises:
    ValueError: there are none, or a group normalisation cannot divide one of these numbers of channels.
    """
    if not channels:
        raise ValueError("channels is empty: give the width of one level at least")
    for width in channels:
        if width % groups:
            raise ValueError(f"channels {width} is not a multiple of norm_groups {groups}")


def require_whole(key: str, path: str | Path) -> None:
    """Raises:
    ValueError: a path begins with ``~``, which would make a folder of that name, or cannot be one.
    """
    if CONTROL.search(str(path)):
        raise ValueError(f"{key} {str(path)!r} has a line break or another control character in it: take it out")
    if any(len(os.fsencode(part)) > LONGEST_NAME for part in Path(path).parts):
        raise ValueError(f"{key} {str(path)[:40]}... has a name of more than {LONGEST_NAME} bytes in it: shorten it")
    if str(path).startswith("~"):
        raise ValueError(f"{key} {path} begins with ~, which only a shell replaces: write the whole path, from / on")


class Section(BaseModel):
    """A part of the configuration: immutable; an unknown key in it is an error, and so is a number without end."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _numbers_are_numbers(cls, content: Any) -> Any:
        """``true`` is no number: it would be taken for 1. Nothing is no path: it would be taken for this folder."""
        for name, field in cls.model_fields.items() if isinstance(content, dict) else ():
            kinds = [field.annotation, *get_args(field.annotation)]  # an Optional number is a union of Annotated ones
            kinds += [part for kind in kinds for part in get_args(kind)]
            number = int in kinds or float in kinds
            given = content.get(name)
            if isinstance(given, str) and not given.strip() and Path in kinds:
                raise ValueError(f"{name} is empty: give a path")
            for value in given if isinstance(given, list | tuple) else [given]:
                if isinstance(value, bool) and number and bool not in kinds:
                    raise ValueError(f"{name} is {str(value).lower()}: give a number")
                if number and isinstance(value, int | float) and LARGEST < abs(value) < float("inf") and name != "seed":
                    raise ValueError(f"{name} is {value:.3g}: give a number of at most {LARGEST:,}")
        return content

    @model_validator(mode="after")
    def _paths_are_whole(self) -> Self:
        """``~`` in a path, or in a file that is text because it may be a name as well."""
        for name in type(self).model_fields:
            value = getattr(self, name)
            if isinstance(value, Path) or (name == "template" and value is not None):
                require_whole(name, value)
        return self
