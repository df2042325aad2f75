"""Adapter: stage 1."""

from pathlib import Path

from ldae.runtime import running

with running(snakemake.log[0], snakemake.threads):
    from ldae.config import Autoencoder, Launch
    from ldae.training.run import train_autoencoder

    train_autoencoder(
        volumes=Path(snakemake.input.volumes).parent,
        splits=Path(snakemake.input.splits),
        out=Path(snakemake.output.model).parent,
        settings=Autoencoder.model_validate(snakemake.params.settings),
        seed=snakemake.params.seed,
        launch=Launch.model_validate(snakemake.config.get("launch", {})),
    )
