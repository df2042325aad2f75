"""Adapter: are the given volumes usable?"""

from pathlib import Path

from ldae.core.runtime import running

with running(snakemake.log[0], snakemake.input, snakemake.output):
    from ldae.config import Conform
    from ldae.core.files import read_tsv
    from ldae.preprocessing.given_volumes import check_volumes

    check_volumes(
        read_tsv(snakemake.input.scans),
        Path(snakemake.params.root),
        Conform.model_validate(snakemake.params.conform),
        snakemake.params.resample,
        snakemake.params.max_quarantined_fraction,
        Path(snakemake.output.qc),
        Path(snakemake.output.mosaic),
        Path(snakemake.input.review) if snakemake.input.review else None,
    )
