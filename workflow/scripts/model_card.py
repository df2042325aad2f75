"""Adapter: the model card."""

from pathlib import Path

from ldae.core.runtime import running

with running(snakemake.log[0], snakemake.input, snakemake.output):
    from ldae.config import parse_config
    from ldae.core.files import read_json
    from ldae.core.lineage import read_chain
    from ldae.core.scans import read_splits
    from ldae.report.model_card import BASELINES, model_card
    from ldae.report.run_description import unseen_sentences
    from ldae.training.warm_start import start_sentences

    stages, files = ("autoencoder", "diffusion", "representation"), snakemake.input
    train = Path(snakemake.params.train)
    config = parse_config(snakemake.params.settings)
    rivals = BASELINES if config.baselines else ()
    models = read_chain(train, [*stages, *rivals])
    model_card(
        Path(snakemake.output[0]),
        config,
        read_json(files.headline),
        {stage: models[stage] for stage in stages},
        {name: models[name] for name in rivals},
        unseen_sentences(train, Path(snakemake.params.store) / "volumes", Path(files.splits)),
        start_sentences(train, read_splits(files.splits)),
    )
