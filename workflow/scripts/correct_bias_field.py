"""Adapter: N4 over one shard."""

from pathlib import Path

from ldae.runtime import running

with running(snakemake.log[0]):
    from ldae.cohort.shards import scans_of_shard
    from ldae.config import BiasField
    from ldae.preprocessing.shard import run_bias_field

    run_bias_field(
        scans_of_shard(snakemake.input.scans, int(snakemake.wildcards.shard)),
        Path(snakemake.params.bids),
        Path(snakemake.params.derivatives),
        BiasField.model_validate(snakemake.params.settings),
        snakemake.params.max_quarantined_fraction,
        Path(snakemake.output[0]),
    )
