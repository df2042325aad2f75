"""Adapter: confounds and label efficiency of the probes."""

from pathlib import Path

from ldae.core.runtime import running

with running(snakemake.log[0], snakemake.input, snakemake.output):
    from ldae.config import Evaluation, Method
    from ldae.studies.common.inputs import read_inputs
    from ldae.studies.probes.checks import run_probe_checks
    from ldae.studies.probes.frozen import check_scores

    files, given = snakemake.input, snakemake.params
    inputs = read_inputs(given.store, files.splits, manifest=files.scans)
    predictions, settings = Path(files.predictions), Evaluation.model_validate(given.settings)
    out, method = Path(given.folder), Method.model_validate(given.method)
    if given.frozen:
        check_scores(inputs, predictions, settings, given.seed, out)
    else:
        run_probe_checks(inputs, predictions, settings, given.seed, out, method, given.held_out, given.baselines)
