"""Adapter: every code on every task, in the folds and splits of y_sem."""

from pathlib import Path

from ldae.core.runtime import running

with running(snakemake.log[0], snakemake.input, snakemake.output):
    from ldae.config import Arena, Evaluation
    from ldae.core.files import read_tsv
    from ldae.core.keys import KEY_TYPES
    from ldae.studies.arena.measure import run_arena
    from ldae.studies.arena.tasks import NAMES
    from ldae.studies.common.inputs import read_inputs

    files, given = snakemake.input, snakemake.params
    inputs = read_inputs(given.store, files.splits, files.get("truth"))
    manifest = read_tsv(files.scans, dtype=KEY_TYPES | NAMES)
    arena, settings = Arena.model_validate(given.arena), Evaluation.model_validate(given.settings)
    how = {"held_out": given.held_out, "frozen": given.frozen, "baselines": given.baselines}
    run_arena(inputs, manifest, arena, settings, given.seed, Path(given.folder), **how)
