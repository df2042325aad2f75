"""Adapter: codes of the baselines for every scan."""

from pathlib import Path

from ldae.core.runtime import running

with running(snakemake.log[0]):
    from ldae.inference.encode import encode_baselines

    encode_baselines(
        volumes=Path(snakemake.input.volumes).parent,
        volumes_dae=Path(snakemake.input.volumes_dae).parent,
        train=Path(snakemake.input.models[0]).parents[1],
        out=Path(snakemake.output.y_dae).parents[1],
        batch=snakemake.params.batch,
    )
