"""Adapter: unconditional samples beside real scans."""

from pathlib import Path

from ldae.core.runtime import running

with running(snakemake.log[0], snakemake.input, snakemake.output, snakemake.resources):
    from ldae.config import Evaluation, Method
    from ldae.inference.pipeline import LDAE
    from ldae.studies.common.inputs import read_inputs
    from ldae.studies.common.pieces import Pieces
    from ldae.studies.samples.measure import run_samples

    settings = Evaluation.model_validate(snakemake.params.settings)
    train = Path(snakemake.params.train)
    run_samples(
        LDAE.load(train, Method.model_validate(snakemake.params.method), settings.sampling, arithmetic=settings),
        read_inputs(snakemake.params.store, snakemake.input.splits),
        settings,
        snakemake.params.seed,
        Path(snakemake.params.folder),
        Pieces.of_job(Path(snakemake.params.folder), dict(snakemake.params), snakemake.input),
    )
