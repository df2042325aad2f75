"""Adapter: what may leave the machine."""

from pathlib import Path

from ldae.core.runtime import running

folders = snakemake.params
read = [*snakemake.input, folders.evaluate, folders.paper]

with running(snakemake.log[0], read, [*snakemake.output, folders.public]):
    from ldae.config import parse_config
    from ldae.core.files import read_tsv
    from ldae.report.public import bundle_public
    from ldae.report.sources import run_sources

    scans = read_tsv(snakemake.input.scans, dtype=str)
    bundle_public(
        Path(folders.public),
        Path(folders.paper),
        run_sources(folders, snakemake.input),
        parse_config(folders.settings),
        names={*scans["participant_id"], *scans["image_id"].dropna()},
    )
