"""Adapter: one row per scan, one reason per exclusion."""

from pathlib import Path

from ldae.core.runtime import running

with running(snakemake.log[0], snakemake.input, snakemake.output):
    from ldae.cohort.manifest import read_source, write_manifest
    from ldae.config import Manifest
    from ldae.core.files import read_json

    source, dataset = snakemake.params.source, snakemake.params.dataset
    if source == "adni":
        dataset = Path(snakemake.input.dataset).parent
    findings = [item for path in snakemake.input.preflight for item in read_json(path)["findings"]]
    write_manifest(
        read_source(source, dataset, [Path(status) for status in snakemake.input.statuses]),
        source,
        Manifest.model_validate(snakemake.params.settings),
        snakemake.params.shards,
        Path(snakemake.output.scans),
        Path(snakemake.output.exclusions),
        [f"preflight, {item['severity']}: {item['what']} ({item['where']}): {item['fix']}" for item in findings],
    )
