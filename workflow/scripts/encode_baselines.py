"""Adapter: codes of the baselines for every scan."""

from pathlib import Path

from ldae.core.runtime import running

with running(snakemake.log[0], snakemake.input, snakemake.output, snakemake.resources):
    from ldae.config import Arithmetic
    from ldae.inference.encode import encode_baselines

    store = Path(snakemake.params.store)
    encode_baselines(
        volumes=store / "volumes",
        volumes_dae=store / "volumes_dae",
        train=Path(snakemake.params.train),
        out=store / "codes",
        volumes_at_once=snakemake.params.volumes,
        arithmetic=Arithmetic.model_validate(snakemake.params.arithmetic),
    )
