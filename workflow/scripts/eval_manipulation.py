"""Adapter: moving y_sem along the probe."""

from pathlib import Path

from ldae.runtime import running

with running(snakemake.log[0], snakemake.threads):
    from ldae.config import Evaluation, Method
    from ldae.evaluation.inputs import read_inputs
    from ldae.evaluation.manipulation import run_manipulation
    from ldae.training.pipeline import LDAE

    settings = Evaluation.model_validate(snakemake.params.settings)
    train = Path(snakemake.input.models[0]).parents[1]
    run_manipulation(
        LDAE.load(train, Method.model_validate(snakemake.params.method), settings.sampling),
        read_inputs(Path(snakemake.input.volumes).parents[1], snakemake.input.splits),
        Path(snakemake.input.probe),
        settings,
        snakemake.params.seed,
        Path(snakemake.output.scans).parent,
    )
