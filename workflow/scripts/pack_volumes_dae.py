"""Adapter: the volume store of the voxel-space baseline."""

from pathlib import Path

from ldae.core.runtime import running

with running(snakemake.log[0], snakemake.input, snakemake.output):
    from ldae.preprocessing.pack import pack_volumes_dae

    pack_volumes_dae(
        Path(snakemake.input.volumes).parent,
        tuple(snakemake.params.shape),
        snakemake.params.factor,
        Path(snakemake.output[0]).parent,
    )
