"""Adapter: take over a model as it is."""

from pathlib import Path

from ldae.core.runtime import running

with running(snakemake.log[0], snakemake.input, snakemake.output):
    from ldae.config import Preprocessing
    from ldae.report.adopted_model import adopt_model

    given = snakemake.params
    settings = Preprocessing.model_validate(given.preprocessing)
    adopt_model(Path(given.model), Path(given.results), settings, given.source)
