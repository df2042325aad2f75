"""Adapter: calibration, decision curves and subgroups of the probes."""

from pathlib import Path

from ldae.core.runtime import running

with running(snakemake.log[0], snakemake.input, snakemake.output):
    from ldae.config import Evaluation
    from ldae.core.files import read_tsv
    from ldae.core.keys import KEY_TYPES
    from ldae.studies.calibration.measure import run_calibration

    files, given = snakemake.input, snakemake.params
    predictions, scans = (read_tsv(path, dtype=KEY_TYPES) for path in (files.predictions, files.scans))
    run_calibration(predictions, scans, Evaluation.model_validate(given.settings), given.seed, Path(given.folder))
