"""Adapter: convert one shard of subjects with Clinica and verify it."""

from pathlib import Path

from ldae.core.runtime import running

with running(snakemake.log[0], snakemake.input, snakemake.output):
    from ldae.adni.conversion import convert_shard
    from ldae.config import Convert

    convert_shard(
        images=Path(snakemake.params.images),
        tables=Path(snakemake.input.tables).parent,
        bids=Path(snakemake.params.bids),
        shard=int(snakemake.wildcards.shard),
        settings=Convert.model_validate(snakemake.params.settings),
        status=Path(snakemake.output[0]),
        scratch=Path(snakemake.params.scratch),
    )
