"""Adapter: linear probes."""

from pathlib import Path

from ldae.core.runtime import running

with running(snakemake.log[0]):
    from ldae.config import Evaluation, Method
    from ldae.studies.common.inputs import read_inputs
    from ldae.studies.probes.measure import run_probes

    run_probes(
        read_inputs(snakemake.params.store, snakemake.input.splits, snakemake.input.get("truth")),
        Evaluation.model_validate(snakemake.params.settings),
        snakemake.params.seed,
        Path(snakemake.params.folder),
        Method.model_validate(snakemake.params.method),
        snakemake.params.held_out,
    )
