"""Adapter: run Clinica's own converter of a study."""

from pathlib import Path

from ldae.core.runtime import running

with running(snakemake.log[0], snakemake.input, snakemake.output):
    from ldae.adni.other_studies import convert_study
    from ldae.config import Clinica

    convert_study(
        Clinica.model_validate(snakemake.params.settings),
        Path(snakemake.params.bids),
        Path(snakemake.output.visits),
        Path(snakemake.output.report),
        Path(snakemake.params.scratch),
    )
