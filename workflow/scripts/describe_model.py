"""Adapter: what a trained model needs besides its weights to be applied."""

from pathlib import Path

from ldae.core.runtime import running

with running(snakemake.log[0], snakemake.input, snakemake.output, snakemake.resources):
    from ldae.config import parse_config
    from ldae.inference.facts import describe_model

    describe_model(
        Path(snakemake.params.folder),
        Path(snakemake.params.train),
        Path(snakemake.params.store),
        Path(snakemake.input.splits),
        Path(snakemake.params.probes),
        parse_config(snakemake.params.settings),
    )
