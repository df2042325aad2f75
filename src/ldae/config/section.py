"""What every section of the configuration is made of."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Fraction = Annotated[float, Field(ge=0, le=1)]


Positive = Annotated[int, Field(ge=1)]


Revision = Annotated[int, Field(ge=1, description="bump by hand to redo this step and all that follows it")]


class Section(BaseModel):
    """A part of the configuration: immutable, and an unknown key in it is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)
