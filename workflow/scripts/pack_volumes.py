"""Adapter: the volume store."""

from pathlib import Path

from ldae.core.runtime import running

with running(snakemake.log[0], snakemake.input, snakemake.output):
    from ldae.config import Conform
    from ldae.core.files import read_tsv
    from ldae.preprocessing.pack import pack_volumes

    given = snakemake.params.get("given")
    pack_volumes(
        read_tsv(snakemake.input.scans),
        read_tsv(snakemake.input.qc),
        Path(given or Path(snakemake.input.qc).parent),
        Conform.model_validate(snakemake.params.conform),
        Path(snakemake.output[0]).parent,
        given=given is not None,
        transform=snakemake.params.get("transform"),
    )
