"""Adapter: extend the subject-level splits. The ledger is not a declared output, so Snakemake never deletes it."""

from pathlib import Path

from ldae.core.runtime import running

with running(snakemake.log[0]):
    from ldae.cohort.splits import make_splits
    from ldae.config import Splits
    from ldae.core.contamination import training_subjects
    from ldae.core.files import read_tsv, write_tsv
    from ldae.core.keys import KEY_TYPES

    ledger = Path(snakemake.params.ledger)
    splits = make_splits(
        read_tsv(snakemake.input.scans, dtype=KEY_TYPES | {"site": str}),
        Splits.model_validate(snakemake.params.settings),
        snakemake.params.seed,
        read_tsv(ledger) if ledger.is_file() else None,
        training_subjects(snakemake.params.training_subjects, snakemake.params.source),
    )
    write_tsv(ledger, splits)
    write_tsv(snakemake.output.splits, splits)
