"""Adapter: how well every way to decode does."""

from pathlib import Path

from ldae.runtime import running

with running(snakemake.log[0]):
    from ldae.config import Evaluation, Method
    from ldae.evaluation.inputs import read_inputs
    from ldae.evaluation.reconstruction.dae import DaeDecoder
    from ldae.evaluation.reconstruction.study import run_reconstruction
    from ldae.training.models.pipeline import LDAE

    settings = Evaluation.model_validate(snakemake.params.settings)
    train = Path(snakemake.input.models[0]).parents[1]
    store = Path(snakemake.input.volumes).parents[1]
    inputs = read_inputs(store, snakemake.input.splits, snakemake.input.get("truth"))
    run_reconstruction(
        LDAE.load(train, Method.model_validate(snakemake.params.method), settings.sampling),
        DaeDecoder.load(train / "dae", inputs.volumes_dae.digest, settings.sampling, settings.batch),
        inputs,
        settings,
        snakemake.params.seed,
        Path(snakemake.output.scans).parent,
    )
