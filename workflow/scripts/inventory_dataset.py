"""Adapter: list the given dataset."""

from pathlib import Path

from ldae.core.runtime import running

with running(snakemake.log[0], snakemake.input):  # `ldae inventory` writes the output, too: nobody vouches for it
    from ldae.cohort.inventory import write_inventory
    from ldae.config import parse_config

    write_inventory(parse_config(snakemake.config), Path(snakemake.output[0]))
