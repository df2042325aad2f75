"""Adapter: the pages on which a person looks at every scan."""

from pathlib import Path

from ldae.core.runtime import running

if __name__ == "__main__":  # worker processes import this file again
    with running(snakemake.log[0], snakemake.input, snakemake.output):
        from ldae.config import Preprocessing
        from ldae.preprocessing.review import read_review
        from ldae.report.qc_pages import Places, read_tables, write_qc_pages

        write_qc_pages(
            *read_tables(snakemake.input.scans, snakemake.input.qc),
            Places(
                Path(snakemake.params.raw),
                Path(snakemake.params.derivatives),
                Path(snakemake.params.folder),
                given=snakemake.params.given,
            ),
            Preprocessing.model_validate(snakemake.params.settings),
            read_review(Path(snakemake.input.review) if snakemake.input.review else None),
            workers=snakemake.threads,
        )
