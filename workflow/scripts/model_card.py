"""Adapter: the model card."""

from pathlib import Path

from ldae.core.runtime import running

with running(snakemake.log[0]):
    from ldae.config import parse_config
    from ldae.core.files import read_json
    from ldae.report.model_card import BASELINES, model_card

    stages = ("autoencoder", "diffusion", "representation")
    model_card(
        Path(snakemake.output[0]),
        parse_config(snakemake.params.settings),
        read_json(snakemake.input.headline),
        {stage: read_json(snakemake.input[stage]) for stage in stages},
        {name: read_json(snakemake.input[name]) for name in BASELINES},
    )
