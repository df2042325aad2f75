"""Adapter: extend the subject-level splits. The ledger is not a declared output, so Snakemake never deletes it."""

from pathlib import Path

from ldae.core.runtime import running

with running(snakemake.log[0], snakemake.input, snakemake.output):
    from ldae.cohort.splits import write_splits
    from ldae.config import Splits
    from ldae.core.contamination import training_subjects

    given = snakemake.params
    write_splits(
        Path(snakemake.input.scans),
        Path(snakemake.output.splits),
        Path(given.ledger),
        Splits.model_validate(given.settings),
        given.seed,
        training_subjects(given.training_subjects, given.source),
        given.model,
    )
