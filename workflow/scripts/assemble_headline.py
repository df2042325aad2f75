"""Adapter: headline.json."""

from pathlib import Path

from ldae.runtime import running

with running(snakemake.log[0]):
    from ldae.evaluation.headline import assemble_headline
    from ldae.files import write_json

    params = snakemake.params
    write_json(snakemake.output.headline, assemble_headline(Path(params.evaluate), params.config_digest, params.data))
