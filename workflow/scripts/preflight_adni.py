"""Adapter: check the raw download before anything is written."""

from pathlib import Path

from ldae.core.runtime import running

with running(snakemake.log[0]):
    from ldae.adni.preflight import preflight, require_ready, write_report

    findings = preflight(Path(snakemake.params.images), Path(snakemake.params.tables))
    require_ready(findings)
    write_report(findings, Path(snakemake.output[0]))
