"""Adapter: headline.json."""

from pathlib import Path

from ldae.runtime import running

with running(snakemake.log[0]):
    from ldae.evaluation.headline import assemble_headline
    from ldae.files import write_json

    evaluate = Path(snakemake.input.probes[0]).parents[1]
    headline = assemble_headline(evaluate, snakemake.params.config_digest, snakemake.params.data)
    write_json(snakemake.output.headline, headline)
