"""Adapter: list the raw download."""

from pathlib import Path

from ldae.core.runtime import running

with running(snakemake.log[0], snakemake.input):  # `ldae inventory` writes the output, too: nobody vouches for it
    from ldae.adni.inventory import write_inventory
    from ldae.cohort.inventory import remember_download
    from ldae.config import parse_config

    write_inventory(Path(snakemake.params.images), Path(snakemake.params.tables), Path(snakemake.output[0]))
    remember_download(parse_config(snakemake.config), Path(snakemake.output[0]))
