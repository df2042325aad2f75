"""Adapter: semantic codes of every scan, stochastic codes of the test scans."""

from pathlib import Path

from ldae.core.runtime import running

with running(snakemake.log[0]):
    from ldae.config import Method, Sampling
    from ldae.inference.encode import encode_codes

    encode_codes(
        volumes=Path(snakemake.input.volumes).parent,
        latents=Path(snakemake.input.latents).parent,
        splits=Path(snakemake.input.splits),
        train=Path(snakemake.input.models[0]).parents[1],
        out=Path(snakemake.output.y_sem).parents[1],
        method=Method.model_validate(snakemake.params.method),
        sampling=Sampling.model_validate(snakemake.params.sampling),
        batch=snakemake.params.batch,
    )
