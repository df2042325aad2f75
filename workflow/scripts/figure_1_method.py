"""Adapter: the method in three stages."""

from pathlib import Path

from ldae.core.runtime import running

with running(snakemake.log[0], snakemake.input, snakemake.output):
    from ldae.config import parse_config
    from ldae.studies.method.figure import figure_1_method, scheme

    settings = parse_config(snakemake.params.settings)
    stem = Path(snakemake.output.png).with_suffix("")
    adversary = settings.autoencoder.adversarial_weight > 0
    figure_1_method(scheme(settings), settings.diffusion.timesteps, adversary, stem)
