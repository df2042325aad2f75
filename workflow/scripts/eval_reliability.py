"""Adapter: the reliability of codes and predictions on travelling heads."""

from functools import partial
from pathlib import Path

from ldae.core.runtime import running

with running(snakemake.log[0], snakemake.input, snakemake.output, snakemake.resources):
    from ldae.config import Evaluation, Method, Reliability
    from ldae.core.store import open_store
    from ldae.inference.pipeline import LDAE
    from ldae.studies.common.inputs import read_inputs
    from ldae.studies.reliability.measure import run_reliability

    params = snakemake.params
    settings = Evaluation.model_validate(params.evaluation)
    load = partial(LDAE.load, Path(params.train), Method(), settings.sampling, arithmetic=settings)
    run_reliability(
        load(),
        partial(load, trained_encoder=False),
        read_inputs(params.store, snakemake.input.splits, snakemake.input.truth),
        open_store(params.travellers),
        Reliability.model_validate(params.settings),
        settings,
        params.seed,
        Path(params.folder),
    )
