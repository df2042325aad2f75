"""Adapter: latents of every scan."""

from pathlib import Path

from ldae.core.runtime import running

with running(snakemake.log[0], snakemake.input, snakemake.output, snakemake.resources):
    from ldae.config import Arithmetic, Method
    from ldae.inference.latents import encode_latents

    encode_latents(
        volumes=Path(snakemake.input.volumes).parent,
        autoencoder=Path(snakemake.input.model).parent,
        splits=Path(snakemake.input.splits),
        out=Path(snakemake.output[0]).parent,
        method=Method.model_validate(snakemake.params.method),
        seed=snakemake.params.seed,
        arithmetic=Arithmetic.model_validate(snakemake.params.arithmetic),
    )
