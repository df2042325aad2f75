"""Adapter: write the synthetic BIDS dataset."""

from pathlib import Path

from ldae.core.runtime import running

if __name__ == "__main__":  # worker processes import this file again
    with running(snakemake.log[0], snakemake.input, snakemake.output):
        from ldae.config import Phantom
        from ldae.phantom.cohort import make_bids

        make_bids(
            Path(snakemake.output.marker).parent,
            Phantom.model_validate(snakemake.params.settings),
            seed=snakemake.params.seed,
            processes=snakemake.threads,
        )
