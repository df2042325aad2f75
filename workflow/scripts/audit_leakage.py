"""Adapter: has anything of the test subjects reached what is fitted?"""

from functools import partial
from pathlib import Path

from ldae.core.runtime import running

with running(snakemake.log[0], snakemake.input, snakemake.output):
    from ldae.config import Arithmetic, Method
    from ldae.core.files import read_json, write_tsv
    from ldae.core.scans import read_splits
    from ldae.inference.pipeline import semantic_encoder
    from ldae.studies.audit.measure import require_clean, run_audit
    from ldae.studies.common.feature_sets import voxel_gram
    from ldae.studies.common.inputs import read_inputs
    from ldae.studies.probes.measure import fitted_on_codes

    files, given, folder = snakemake.input, snakemake.params, Path(snakemake.params.folder)
    inputs = read_inputs(given.store, files.splits)
    findings = run_audit(
        inputs,
        read_splits(files.splits),
        semantic_encoder(Path(given.train), Arithmetic.model_validate(given.arithmetic)),
        None if given.frozen else voxel_gram(inputs, given.batch),
        read_json(files.fitted),
        partial(fitted_on_codes, seed=given.seed, method=Method.model_validate(given.method)),
        given.allow,
        given.seed,
        folder,
    )
    require_clean(findings, folder)
    write_tsv(Path(snakemake.output.table), findings)
