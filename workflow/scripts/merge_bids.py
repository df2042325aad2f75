"""Adapter: one BIDS dataset of all shards."""

from pathlib import Path

from ldae.core.runtime import running

with running(snakemake.log[0], snakemake.input, snakemake.output):
    from ldae.adni.bids_tables import merge_bids

    merge_bids(
        [Path(status) for status in snakemake.input],
        Path(snakemake.output.participants).parent,
        snakemake.params.max_quarantined_fraction,
    )
