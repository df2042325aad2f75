"""Adapter: moving y_sem along the probe."""

from pathlib import Path

from ldae.core.runtime import running

with running(snakemake.log[0], snakemake.input, snakemake.output, snakemake.resources):
    from ldae.config import Evaluation, Method, Phantom
    from ldae.inference.pipeline import LDAE
    from ldae.studies.common.inputs import read_inputs
    from ldae.studies.common.pieces import Pieces
    from ldae.studies.manipulation.measure import run_manipulation

    settings = Evaluation.model_validate(snakemake.params.settings)
    phantom = snakemake.params.phantom
    train = Path(snakemake.params.train)
    run_manipulation(
        LDAE.load(train, Method.model_validate(snakemake.params.method), settings.sampling, arithmetic=settings),
        read_inputs(snakemake.params.store, snakemake.input.splits, snakemake.input.truth or None),
        Path(snakemake.input.probe),
        settings,
        snakemake.params.seed,
        Path(snakemake.params.folder),
        Phantom.model_validate(phantom) if phantom else None,
        Path(snakemake.params.anatomy) if snakemake.params.anatomy else None,
        Pieces.of_job(Path(snakemake.params.folder), dict(snakemake.params), snakemake.input),
    )
