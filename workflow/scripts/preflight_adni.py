"""Adapter: check the raw download before anything is written."""

from pathlib import Path

from ldae.core.runtime import running

with running(snakemake.log[0], snakemake.input, snakemake.output):
    from ldae.adni.preflight import log, preflight, require_ready, write_report

    folders = Path(snakemake.params.images), Path(snakemake.params.tables)
    findings = preflight(
        *folders,
        snakemake.params.max_quarantined_fraction,
        snakemake.params.adni4,
        snakemake.params.max_contradicted_fraction,
    )
    log(findings)
    require_ready(findings)
    write_report(findings, Path(snakemake.output[0]))
