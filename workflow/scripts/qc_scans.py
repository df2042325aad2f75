"""Adapter: quality control of the cohort."""

from pathlib import Path

from ldae.core.runtime import running

with running(snakemake.log[0], snakemake.input, snakemake.output):
    from ldae.config import Quality
    from ldae.preprocessing.cohort_quality import qc_scans

    qc_scans(
        [Path(status) for status in snakemake.input.bias_field],
        [Path(status) for status in snakemake.input.brain],
        [Path(status) for status in snakemake.input.register],
        Quality.model_validate(snakemake.params.settings),
        Path(snakemake.output.qc).parent,
        Path(snakemake.output.qc),
        Path(snakemake.output.mosaic),
        Path(snakemake.input.review) if snakemake.input.review else None,
        Path(snakemake.params.raw),
    )
