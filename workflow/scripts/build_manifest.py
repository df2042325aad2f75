"""Adapter: one row per scan, one reason per exclusion."""

from pathlib import Path

from ldae.runtime import running

with running(snakemake.log[0]):
    from ldae.cohort.manifest import build_manifest

    build_manifest(
        Path(snakemake.input.participants).parent,
        [Path(status) for status in snakemake.input.statuses],
        snakemake.params.shards,
        Path(snakemake.output.scans),
        Path(snakemake.output.exclusions),
    )
