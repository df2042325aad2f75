"""Adapter: registration and the one interpolation over one shard."""

from pathlib import Path

from ldae.core.runtime import running

if __name__ == "__main__":  # worker processes import this file again
    with running(snakemake.log[0], snakemake.input, snakemake.output):
        from ldae.config import Conform, Registration
        from ldae.core.files import read_tsv
        from ldae.core.keys import scans_of_shard
        from ldae.preprocessing.memory import memory_of
        from ldae.preprocessing.shard import Shard, run_register

        shard = Shard(
            scans_of_shard(snakemake.input.scans, int(snakemake.wildcards.shard)),
            Path(snakemake.params.derivatives),
            Path(snakemake.output[0]),
            Path(snakemake.params.timings),
            snakemake.params.max_quarantined_fraction,
            workers=snakemake.threads,
            scans_per_worker=snakemake.params.scans_per_worker,
            memory_mb=memory_of(snakemake.resources),
        )
        run_register(
            shard,
            read_tsv(snakemake.input.previous[0]),
            Registration.model_validate(snakemake.params.settings),
            Conform.model_validate(snakemake.params.conform),
            snakemake.params.keep_corrected,
        )
