"""Adapter: edits of y_sem held to what a counterfactual must be."""

from functools import partial
from pathlib import Path

from ldae.core.runtime import running

with running(snakemake.log[0], snakemake.input, snakemake.output, snakemake.resources):
    from ldae.config import Counterfactual, Evaluation, Method, Phantom
    from ldae.inference.pipeline import LDAE
    from ldae.studies.common.inputs import read_inputs
    from ldae.studies.common.pieces import Pieces
    from ldae.studies.counterfactual.measure import run_counterfactual
    from ldae.studies.counterfactual.truth import true_stages

    params = snakemake.params
    settings = Evaluation.model_validate(params.evaluation)
    method = Method.model_validate(params.method)
    load = partial(LDAE.load, Path(params.train), method, settings.sampling, arithmetic=settings)
    inputs = read_inputs(params.store, snakemake.input.splits, snakemake.input.truth or None)
    phantom = Phantom.model_validate(params.phantom) if params.phantom else None
    run_counterfactual(
        load(),
        partial(load, trained_encoder=False),
        inputs,
        Path(snakemake.input.probe),
        Counterfactual.model_validate(params.settings),
        settings,
        params.seed,
        Path(params.folder),
        true_stages(inputs, phantom, params.seed, params.anatomy),
        Pieces.of_job(Path(params.folder), dict(params), snakemake.input),
    )
