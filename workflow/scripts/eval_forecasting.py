"""Adapter: the next visit from one or two earlier ones."""

from pathlib import Path

from ldae.core.runtime import running

with running(snakemake.log[0], snakemake.input, snakemake.output, snakemake.resources):
    from ldae.config import Evaluation, Forecasting, Method
    from ldae.inference.pipeline import LDAE
    from ldae.studies.common.inputs import read_inputs
    from ldae.studies.common.pieces import Pieces
    from ldae.studies.forecasting.measure import run_forecasting

    params = snakemake.params
    settings, folder = Evaluation.model_validate(params.evaluation), Path(params.folder)
    run_forecasting(
        LDAE.load(Path(params.train), Method.model_validate(params.method), settings.sampling, arithmetic=settings),
        read_inputs(params.store, snakemake.input.splits, snakemake.input.truth or None),
        Forecasting.model_validate(params.settings),
        settings,
        params.seed,
        folder,
        Pieces.of_job(folder, dict(params), snakemake.input),
    )
