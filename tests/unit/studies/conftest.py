"""The toy cohort, opened, every study's files made from it once, and one tiny results folder for the figures."""

from pathlib import Path

import pytest
from result_files import write_results
from toy_cohort import LinearLDAE, toy_dae, write_cohort

from ldae.config import Evaluation, Sampling
from ldae.inference.decoder import DaeDecoder
from ldae.studies.common.inputs import Inputs, open_inputs


@pytest.fixture(scope="session")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> tuple[LinearLDAE, Inputs]:
    store = tmp_path_factory.mktemp("results") / "store"
    ldae, splits, truth = write_cohort(store)
    return ldae, open_inputs(store, splits, truth)


@pytest.fixture(scope="session")
def dae(cohort: tuple[LinearLDAE, Inputs]) -> DaeDecoder:
    return toy_dae(cohort[1].store)


@pytest.fixture(scope="session")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_results(tmp_path_factory.mktemp("results"))


@pytest.fixture(scope="session")
def settings() -> Evaluation:
    return Evaluation(
        sampling=Sampling(steps=20),
        solvers=[Sampling(solver="dpmpp_2m", steps=5), Sampling(steps=5), Sampling(steps=10), Sampling(steps=20)],
        batch=4,
        scans_per_subject=2,
        bootstrap=200,
        folds=3,
        variations=3,
        samples=12,
    )


@pytest.fixture(scope="session")
def evaluated(
    cohort: tuple[LinearLDAE, Inputs],
    dae: DaeDecoder,
    settings: Evaluation,
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """A folder with every study's files."""
    from ldae.studies.interpolation import measure as interpolation
    from ldae.studies.manipulation import measure as manipulation
    from ldae.studies.probes import measure as probes
    from ldae.studies.reconstruction import measure as reconstruction
    from ldae.studies.reconstruction import solvers
    from ldae.studies.samples import measure as samples
    from ldae.studies.samples import variation

    out = tmp_path_factory.mktemp("evaluate")
    ldae, inputs = cohort
    reconstruction.run_reconstruction(ldae, dae, inputs, settings, 1, out / "reconstruction")
    probes.run_probes(inputs, settings, 1, out / "probes")
    interpolation.run_interpolation(ldae, inputs, settings, 1, out / "interpolation")
    probe = out / "probes" / "probe_ad.json"
    manipulation.run_manipulation(ldae, inputs, probe, settings, 1, out / "manipulation")
    solvers.run_solvers(ldae, dae, inputs, settings, 1, out / "solvers")
    samples.run_samples(ldae, inputs, settings, 1, out / "samples")
    variation.run_variation(ldae, inputs, settings, 1, out / "variation")
    return out
