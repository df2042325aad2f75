"""Adapter: headline.json."""

from pathlib import Path

from ldae.core.runtime import running

with running(snakemake.log[0], [*snakemake.input, snakemake.params.evaluate], snakemake.output):
    from ldae.core.files import write_json
    from ldae.report.estimates import assemble_headline

    given = snakemake.params
    headline = assemble_headline(Path(given.evaluate), given.config_digest, given.data, given.not_run)
    write_json(snakemake.output.headline, headline)
