"""Adapter: linear probes, fitted here, or those of a frozen model."""

from pathlib import Path

from ldae.core.runtime import running

with running(snakemake.log[0], snakemake.input, snakemake.output):
    from ldae.config import Evaluation, Method
    from ldae.studies.common.inputs import read_inputs
    from ldae.studies.probes.frozen import score_probes
    from ldae.studies.probes.measure import run_probes

    files, given = snakemake.input, snakemake.params
    inputs = read_inputs(given.store, files.splits, files.get("truth"))
    settings, method = Evaluation.model_validate(given.settings), Method.model_validate(given.method)
    if files.probes:
        score_probes(inputs, Path(files.probes), settings, given.seed, Path(given.folder), method)
    else:
        run_probes(inputs, settings, given.seed, Path(given.folder), method, given.held_out, given.baselines)
