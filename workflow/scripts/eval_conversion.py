"""Adapter: time from the first scan with MCI to AD."""

from pathlib import Path

from ldae.core.runtime import running

with running(snakemake.log[0], snakemake.input, snakemake.output):
    from ldae.config import Evaluation
    from ldae.core.files import read_tsv
    from ldae.core.keys import KEY_TYPES
    from ldae.studies.common.inputs import read_inputs
    from ldae.studies.conversion.measure import run_conversion

    files, given = snakemake.input, snakemake.params
    inputs, scans = read_inputs(given.store, files.splits, files.get("truth")), read_tsv(files.scans, dtype=KEY_TYPES)
    run_conversion(
        inputs, scans, Evaluation.model_validate(given.settings), given.seed, Path(given.folder), given.held_out
    )
