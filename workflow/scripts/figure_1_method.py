"""Adapter: the method in three stages."""

from pathlib import Path

from ldae.runtime import running

with running(snakemake.log[0]):
    from ldae.config import parse_config
    from ldae.figures.scheme import figure_1_method
    from ldae.models.scheme import scheme

    settings = parse_config(snakemake.params.settings)
    stem = Path(snakemake.output.png).with_suffix("")
    figure_1_method(scheme(settings), settings.diffusion.timesteps, stem)
