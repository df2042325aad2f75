"""Adapter: the semantic encoder trained on AD against CN."""

from ldae.runtime import running

with running(snakemake.log[0], snakemake.threads):
    from ldae.training.supervised_job import launch_supervised

    launch_supervised(snakemake, "ad")
