"""What the two supervised adapters share."""

from pathlib import Path
from typing import Any

from ldae.models.supervised import Target
from ldae.training.launch import launch


def launch_supervised(job: Any, target: Target) -> None:
    """Train the semantic encoder on one label.

    Args:
        job: what Snakemake hands to a script: input, output, log, params, resources, threads, config.
    """
    launch(
        "train_supervised",
        job.resources,
        job.threads,
        job.log[0],
        volumes=str(Path(job.input.volumes).parent),
        splits=job.input.splits,
        out=str(Path(job.output.model).parent),
        settings=job.params.settings,
        target=target,
        seed=job.params.seed,
        launch=job.config.get("launch", {}),
    )
