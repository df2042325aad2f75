"""Adapter: how well every way to decode does."""

from pathlib import Path

from ldae.core.runtime import running

with running(snakemake.log[0], snakemake.input, snakemake.output, snakemake.resources):
    from ldae.studies.common.shares import Share, in_shares

    def study(share: Share | None) -> None:
        from ldae.config import Evaluation, Method
        from ldae.inference.decoder import DaeDecoder
        from ldae.inference.pipeline import LDAE
        from ldae.studies.common.inputs import read_inputs
        from ldae.studies.common.pieces import Pieces
        from ldae.studies.reconstruction.measure import run_reconstruction

        settings = Evaluation.model_validate(snakemake.params.settings)
        train, folder = Path(snakemake.params.train), Path(snakemake.params.folder)
        inputs = read_inputs(snakemake.params.store, snakemake.input.splits, snakemake.input.get("truth"))
        run_reconstruction(
            LDAE.load(train, Method.model_validate(snakemake.params.method), settings.sampling, arithmetic=settings),
            DaeDecoder.load(train / "dae", inputs.volumes_dae, settings.sampling, settings.volumes, settings)
            if snakemake.input.dae
            else None,
            inputs,
            settings,
            snakemake.params.seed,
            folder,
            Pieces.of_job(folder, dict(snakemake.params), snakemake.input, share),
        )

    in_shares(study, snakemake.resources)
