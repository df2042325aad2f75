"""Forecasting: how many next visits, and of how many training subjects the pictures are read."""

from pydantic import Field

from ldae.config.section import Positive, Section


class Forecasting(Section):
    """The next visit from one or two earlier ones."""

    visits: Positive = Field(
        200, description="next visits of test subjects that are forecast at most from one, and from two earlier ones"
    )
    training_subjects: Positive = Field(
        300, description="training subjects, drawn at random, whose scans say how voxels, latents and volumes change"
    )
