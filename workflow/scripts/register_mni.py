"""Adapter: registration and the one interpolation over one shard."""

from pathlib import Path

from ldae.runtime import running

with running(snakemake.log[0]):
    from ldae.cohort.shards import scans_of_shard
    from ldae.config import Conform, Registration
    from ldae.files import read_tsv
    from ldae.preprocessing.shard import run_register

    run_register(
        scans_of_shard(snakemake.input.scans, int(snakemake.wildcards.shard)),
        read_tsv(snakemake.input.previous[0]),
        Path(snakemake.params.derivatives),
        Registration.model_validate(snakemake.params.settings),
        Conform.model_validate(snakemake.params.conform),
        snakemake.params.keep_corrected,
        snakemake.params.max_quarantined_fraction,
        Path(snakemake.output[0]),
    )
