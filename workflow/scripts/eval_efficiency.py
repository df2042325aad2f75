"""Adapter: what training and decoding cost on this device."""

from pathlib import Path

from ldae.core.runtime import running

with running(snakemake.log[0], snakemake.input, snakemake.output, snakemake.resources):
    from ldae.config import Evaluation, Method
    from ldae.inference.decoder import DaeDecoder
    from ldae.inference.pipeline import LDAE
    from ldae.studies.common.inputs import read_inputs
    from ldae.studies.efficiency.measure import run_efficiency

    settings = Evaluation.model_validate(snakemake.params.settings)
    train = Path(snakemake.params.train)
    inputs = read_inputs(snakemake.params.store, snakemake.input.splits)
    run_efficiency(
        LDAE.load(train, Method.model_validate(snakemake.params.method), settings.sampling, arithmetic=settings),
        DaeDecoder.load(train / "dae", inputs.volumes_dae, settings.sampling, settings.volumes, settings)
        if snakemake.input.dae
        else None,
        inputs,
        settings,
        train,
        snakemake.params.seed,
        Path(snakemake.params.folder),
    )
