"""Adapter: confounds and label efficiency of the probes."""

from pathlib import Path

from ldae.core.runtime import running

with running(snakemake.log[0]):
    from ldae.config import Evaluation, Method
    from ldae.studies.common.inputs import read_inputs
    from ldae.studies.probes.checks import run_probe_checks

    files = snakemake.input
    run_probe_checks(
        read_inputs(snakemake.params.store, files.splits, manifest=files.scans),
        Path(files.predictions),
        Evaluation.model_validate(snakemake.params.settings),
        snakemake.params.seed,
        Path(snakemake.params.folder),
        Method.model_validate(snakemake.params.method),
        snakemake.params.held_out,
    )
