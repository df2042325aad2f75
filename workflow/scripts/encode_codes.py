"""Adapter: semantic codes of every scan, stochastic codes of the test scans."""

from pathlib import Path

from ldae.core.runtime import running

with running(snakemake.log[0], snakemake.input, snakemake.output, snakemake.resources):
    from ldae.config import Arithmetic, Method, Sampling
    from ldae.inference.encode import encode_codes

    store = Path(snakemake.params.store)
    encode_codes(
        volumes=store / "volumes",
        latents=store / "latents",
        splits=Path(snakemake.input.splits),
        train=Path(snakemake.params.train),
        out=store / "codes",
        method=Method.model_validate(snakemake.params.method),
        sampling=Sampling.model_validate(snakemake.params.sampling),
        batch=snakemake.params.batch,
        arithmetic=Arithmetic.model_validate(snakemake.params.arithmetic),
    )
