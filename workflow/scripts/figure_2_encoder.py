"""Adapter: the semantic encoder."""

from pathlib import Path

from ldae.core.runtime import running

with running(snakemake.log[0], snakemake.input, snakemake.output):
    from ldae.config import parse_config
    from ldae.studies.method.figure import figure_2_encoder, scheme

    settings = parse_config(snakemake.params.settings)
    stem = Path(snakemake.output.png).with_suffix("")
    figure_2_encoder(scheme(settings), settings.representation.backbone, settings.representation.code_norm, stem)
