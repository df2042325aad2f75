"""Adapter: whether the models may have seen the test subjects."""

from pathlib import Path

from ldae.core.runtime import running

with running(snakemake.log[0], snakemake.input, snakemake.output):
    from ldae.core.contamination import MARK, contamination, known_subjects, training_subjects
    from ldae.core.files import write_json
    from ldae.core.scans import read_splits

    given, splits = snakemake.params, read_splits(snakemake.input.splits)
    test = splits.loc[splits["split"] == "test", "participant_id"]
    trained_on = training_subjects(given.training_subjects, given.source)
    known = None if given.model is None else known_subjects(Path(given.model), given.phantom_seed)
    found = contamination(Path(given.train), given.source, test, trained_on, known)
    write_json(snakemake.output[0], {MARK: found})
