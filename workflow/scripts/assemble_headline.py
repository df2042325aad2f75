"""Adapter: headline.json."""

from pathlib import Path

from ldae.core.runtime import running

with running(snakemake.log[0]):
    from ldae.core.files import write_json
    from ldae.report.headline import assemble_headline

    evaluate = Path(snakemake.params.evaluate)
    headline = assemble_headline(evaluate, snakemake.params.config_digest, snakemake.params.data)
    write_json(snakemake.output.headline, headline)
