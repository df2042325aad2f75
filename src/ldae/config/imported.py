"""Weights that were trained elsewhere."""

from typing import Annotated

from pydantic import Field

from ldae.config.section import Section

Axes = Annotated[str, Field(pattern="^[RL][AP][SI]$")]


class Imported(Section):
    """What the weights of ``ldae import-weights`` were trained on. It is written into their model folders, and only
    there is it read. The defaults are those of the paper's published weights: the factor of their code, and the grid
    that their loading makes of FSL's MNI152 template (L-A-S, 1 mm; first voxel kept at 1.5 mm, padded on both sides).
    """

    scale_factor: float = Field(
        0.8730, gt=0, description="latents are multiplied by it: 1 / their standard deviation in that training"
    )
    axes: Axes = Field(
        "LAS", description="directions in which the indices of its volumes grew: R or L, A or P, S or I; ours: RAS"
    )
    spacing_mm: float = Field(1.5, gt=0, description="edge of its voxels")
    centre_mm: tuple[float, float, float] = Field(
        (-0.75, -17.25, 18.75), description="R-A-S MNI mm of its box's centre; its shape is that of conform"
    )
