"""Adapter: the heads of test subjects on other scanners."""

from pathlib import Path

from ldae.core.runtime import running

with running(snakemake.log[0], snakemake.input, snakemake.output):
    from ldae.config import BiasField, Conform, Phantom, Reliability
    from ldae.studies.common.inputs import read_inputs
    from ldae.studies.common.true_twins import Twins
    from ldae.studies.reliability.travel import make_travellers

    params = snakemake.params
    inputs = read_inputs(params.store, snakemake.input.splits, snakemake.input.truth)
    make_travellers(
        inputs,
        Twins(inputs, Phantom.model_validate(params.phantom), params.seed, Path(params.anatomy)),
        Reliability.model_validate(params.settings),
        BiasField.model_validate(params.bias_field),
        Conform.model_validate(params.conform),
        params.seed,
        Path(params.folder),
    )
