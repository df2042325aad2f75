"""Adapter: brain extraction over one shard."""

from pathlib import Path

from ldae.runtime import running

with running(snakemake.log[0]):
    from ldae.cohort.shards import scans_of_shard
    from ldae.config import BrainExtraction
    from ldae.files import read_tsv
    from ldae.preprocessing.shard import run_extract_brain

    run_extract_brain(
        scans_of_shard(snakemake.input.scans, int(snakemake.wildcards.shard)),
        read_tsv(snakemake.input.previous[0]),
        Path(snakemake.params.derivatives),
        BrainExtraction.model_validate(snakemake.params.settings),
        snakemake.params.max_quarantined_fraction,
        Path(snakemake.output[0]),
    )
