"""A model, codes, latents and volumes that do not belong together are refused by every reader, in one sentence."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from toy_cohort import LinearLDAE, toy_dae

from ldae.cohort.export_csv import export_csv
from ldae.config import Evaluation, Method
from ldae.core.errors import UserError
from ldae.core.files import read_json, write_json, write_tsv
from ldae.core.lineage import read_chain, require_grid
from ldae.core.provenance import run_provenance
from ldae.core.store import open_store, write_store
from ldae.core.voxel_grid import VoxelGrid
from ldae.inference.decoder import DaeDecoder
from ldae.report.run_description import unseen_sentences
from ldae.studies.common.inputs import Inputs, open_inputs
from ldae.studies.efficiency.measure import run_efficiency
from ldae.studies.interpolation.measure import run_interpolation
from ldae.studies.manipulation.measure import run_manipulation
from ldae.studies.probes.checks import run_probe_checks
from ldae.studies.probes.measure import run_probes
from ldae.studies.reconstruction.measure import run_reconstruction
from ldae.studies.reconstruction.solvers import run_solvers
from ldae.studies.samples.measure import run_samples
from ldae.studies.samples.variation import run_variation
from ldae.training.safety.delivery import refit

LDAE = LinearLDAE()
STORES = (
    *("volumes", "volumes_dae", "latents"),
    *(f"codes/{name}" for name in ("y_sem", "y_sem_untrained", "y_dae", "supervised_ad", "supervised_age")),
    *("codes/x_T", "codes/x_T_unconditional"),
)


@pytest.fixture
def results(cohort: tuple[LinearLDAE, Inputs], tmp_path: Path) -> Path:
    return Path(shutil.copytree(cohort[1].store.parent, tmp_path / "results"))


def opened(results: Path, cohort: tuple[LinearLDAE, Inputs]) -> Inputs:
    scans = cohort[1].scans
    return open_inputs(results / "store", scans[["participant_id", "split"]].drop_duplicates())


def edited(path: Path, **changes) -> None:
    write_json(path, read_json(path) | changes)


def swapped(folder: Path) -> None:
    """Another array of the same shape, size and time stands in a store, as after ``cp -p`` from another run."""
    path, other = folder / "data.npy", folder.parent / "other.npy"
    state, data = path.stat(), np.load(path)
    np.save(other, 255 - data if data.dtype == np.uint8 else data + 1)
    assert other.stat().st_size == state.st_size
    os.utime(other, ns=(state.st_atime_ns, state.st_mtime_ns))
    other.replace(path)


def rewritten(folder: Path) -> None:
    """A store is made again, with other numbers."""
    store = open_store(folder)
    facts = {name: fact for name, fact in store.meta.items() if name not in ("shape", "dtype", "digest")}
    write_store(folder, np.array(store.data) + 1, store.index, **facts)


def studies(
    inputs: Inputs, dae: DaeDecoder, settings: Evaluation, probe: Path, out: Path
) -> dict[str, Callable[[], object]]:
    """Every study that reads the stores, by its name."""
    ours = (inputs, settings, 1, out)
    return {
        "reconstruction": lambda: run_reconstruction(LDAE, dae, *ours),
        "probes": lambda: run_probes(*ours),
        "probe checks": lambda: run_probe_checks(inputs, probe, settings, 1, out, Method()),
        "interpolation": lambda: run_interpolation(LDAE, *ours),
        "manipulation": lambda: run_manipulation(LDAE, inputs, probe, settings, 1, out),
        "solvers": lambda: run_solvers(LDAE, dae, *ours),
        "samples": lambda: run_samples(LDAE, *ours),
        "variation": lambda: run_variation(LDAE, *ours),
    }


def other_volume(results: Path) -> None:
    """The first scan's volume is made again, and differs; nothing that was made from it is."""
    store = open_store(results / "store/volumes")
    data = np.array(store.data)
    data[0] = 255 - data[0]
    facts = {name: store.meta[name] for name in ("affine", "spacing_mm")}
    write_store(store.path, data, store.index, dtype="uint8", **facts)


MIXED: dict[str, tuple[Callable[[Path], None], str]] = {
    "y_sem of another encoder": (
        lambda results: edited(results / "store/codes/y_sem/store.json", model="other"),
        r"codes/y_sem was made by another model: other found, linear expected",
    ),
    "another encoder than that of y_sem": (
        lambda results: edited(results / "train/representation/model.json", digest="new"),
        r"codes/y_sem was made by another model: linear found, new expected",
    ),
    "volumes made again": (
        other_volume,
        r"was made from another volume of sub-00_ses-M000: \w+ found, \w+ expected",
    ),
}


@pytest.mark.parametrize("mixed", MIXED)
def test_every_study_refuses_codes_that_do_not_belong(
    cohort: tuple[LinearLDAE, Inputs], settings: Evaluation, results: Path, tmp_path: Path, mixed: str
) -> None:
    change, message = MIXED[mixed]
    change(results)
    inputs, dae, out = opened(results, cohort), toy_dae(results / "store"), tmp_path / "out"
    probe = tmp_path / "probe.json"
    write_json(probe, {"reason": "none"})
    for name, study in studies(inputs, dae, settings, probe, out).items():
        with pytest.raises(UserError, match=message) as refused:
            study()
        assert "\n" not in str(refused.value), name
    assert not list(out.rglob("*.tsv"))


@pytest.mark.parametrize("name", ["y_sem_untrained", "y_dae", "supervised_ad", "supervised_age"])
def test_every_code_store_names_its_model(cohort, results: Path, name: str) -> None:
    stage = {"y_sem_untrained": "representation", "y_dae": "dae"}.get(name, name)
    edited(results / "train" / stage / "model.json", digest="new")
    with pytest.raises(UserError, match=rf"codes/{name} was made by .*another model: \w+ found, new expected"):
        opened(results, cohort).code(name, [0])


@pytest.mark.parametrize("source", ["latents", "y_sem"])
def test_x_T_of_other_latents_or_codes_are_refused(cohort, settings, results: Path, source: str) -> None:
    folder = results / "store" / ("latents" if source == "latents" else "codes/y_sem")
    before = open_store(folder).digest
    rewritten(folder)
    after = open_store(folder).digest
    with pytest.raises(UserError, match=rf"codes/x_T was made \w+ other {source}: {before} found, {after} exp"):
        run_interpolation(LDAE, opened(results, cohort), settings, 1, results / "out")


def test_every_study_refuses_an_array_that_was_copied_over_another(
    cohort: tuple[LinearLDAE, Inputs], settings: Evaluation, results: Path, tmp_path: Path
) -> None:
    dae, out, probe = toy_dae(results / "store"), tmp_path / "out", tmp_path / "probe.json"
    write_json(probe, {"reason": "none"})
    inputs = opened(results, cohort)
    swapped(results / "store/codes/y_sem")
    for name, study in studies(inputs, dae, settings, probe, out).items():
        with pytest.raises(UserError, match=r"codes/y_sem does not hold what was written there .*delete") as refused:
            study()
        assert "\n" not in str(refused.value), name
    assert not list(out.rglob("*.tsv"))


@pytest.mark.parametrize("name", STORES)
def test_an_array_that_was_copied_over_another_is_refused_in_every_store(
    cohort: tuple[LinearLDAE, Inputs], results: Path, tmp_path: Path, name: str
) -> None:
    """By what the studies read with, the export, the report and ``ldae refit``."""
    splits = results / "manifest/splits.tsv"
    write_tsv(splits, cohort[1].scans[["participant_id", "split"]].drop_duplicates())
    models = [str(results / "train/autoencoder/model.safetensors")]
    readers: dict[str, Callable[[], object]] = {
        "volumes": lambda: opened(results, cohort),
        "volumes_dae": lambda: opened(results, cohort).volumes_dae,
        "latents": lambda: opened(results, cohort).latents,
    }
    code = Path(name).name
    test = cohort[1].rows("test")[:1]
    asked = [readers.get(name, lambda: opened(results, cohort).code(code, test))]
    if code.startswith("supervised"):
        asked.append(lambda: opened(results, cohort).supervised_output(code, test))
    if name in ("volumes", "latents"):
        asked.append(lambda: export_csv(results, tmp_path / "export"))
        asked.append(lambda: run_provenance([str(results / "store" / name / "store.json")], models))
    if name == "volumes":
        asked.append(lambda: unseen_sentences(results / "train", results / "store/volumes", splits))
        asked.append(lambda: refit(results, ["autoencoder"]))
    swapped(results / "store" / name)
    for read in asked:
        with pytest.raises(UserError, match=rf"store/{name} does not hold what was written there") as refused:
            read()
        assert "\n" not in str(refused.value)
    assert not (tmp_path / "export").exists()


def test_latents_of_another_autoencoder_or_of_other_scans_are_refused(cohort, settings, results: Path) -> None:
    edited(results / "train/autoencoder/model.json", digest="new")
    for read in (
        lambda: opened(results, cohort).latents,
        lambda: run_samples(LDAE, opened(results, cohort), settings, 1, results),
    ):
        with pytest.raises(UserError, match=r"latents was made by another autoencoder: doubling found, new"):
            read()
    edited(results / "train/autoencoder/model.json", digest="doubling")
    store = open_store(results / "store/latents")
    facts = {"scale_factor": 2.0, "autoencoder": "doubling", "scans": store.scans[1:]}
    write_store(store.path, np.array(store.data[1:]), store.index[1:], **facts)
    with pytest.raises(UserError, match=r"latents does not hold the scans of .*volumes \(\d+ found, \d+ expected\)"):
        _ = opened(results, cohort).latents


def test_volumes_of_the_baseline_made_from_other_volumes_are_refused(cohort, results: Path, tmp_path: Path) -> None:
    other_volume(results)
    with pytest.raises(UserError, match=r"volumes_dae was made from another volume of sub-00_ses-M000"):
        _ = opened(results, cohort).volumes_dae
    write_tsv(results / "manifest/splits.tsv", cohort[1].scans[["participant_id", "split"]].drop_duplicates())
    with pytest.raises(UserError, match=r"latents was made from another volume of sub-00_ses-M000"):
        export_csv(results, tmp_path / "export")


def test_a_probe_of_other_codes_is_refused(cohort, settings, results: Path, evaluated: Path, tmp_path: Path) -> None:
    probe = tmp_path / "probe.json"
    write_json(probe, read_json(evaluated / "probes/probe_ad.json") | {"codes": "old"})
    with pytest.raises(UserError, match=r"probe.json was fitted to other codes: old found, \w+ expected"):
        run_manipulation(LDAE, opened(results, cohort), probe, settings, 1, tmp_path / "out")


def test_models_that_were_not_trained_with_one_another_are_refused(cohort, settings, results: Path) -> None:
    """What the tables of settings, the curves, the card, the report and Table 5 read."""
    train, store = results / "train", results / "store"
    read_chain(train, ["autoencoder", "diffusion", "representation"])
    edited(train / "diffusion/model.json", digest="new")
    message = r"representation was trained with another model than \S+diffusion: linear, unconditional found, new exp"
    with pytest.raises(UserError, match=message):
        read_chain(train, ["autoencoder", "diffusion", "representation"])
    models = [str(train / stage / "model.safetensors") for stage in ("autoencoder", "diffusion", "representation")]
    with pytest.raises(UserError, match=message):
        run_provenance([str(store / name / "store.json") for name in ("volumes", "latents")], models)
    with pytest.raises(UserError, match=message):
        run_efficiency(LDAE, toy_dae(store), opened(results, cohort), settings, train, 1, results / "out")


def test_the_report_refuses_latents_of_another_autoencoder(results: Path) -> None:
    edited(results / "store/latents/store.json", autoencoder="old")
    models = [str(results / "train" / stage / "model.safetensors") for stage in ("autoencoder", "diffusion")]
    stores = [str(results / "store" / name / "store.json") for name in ("volumes", "latents")]
    with pytest.raises(UserError, match=r"latents was made by another autoencoder: old found, doubling"):
        run_provenance(stores, models)


def test_a_model_of_another_grid_is_refused(cohort, results: Path) -> None:
    volumes = open_store(results / "store/volumes")
    with pytest.raises(UserError, match=r"dae was trained on volumes of another grid .*: old found, \w+ expected"):
        require_grid(results / "train/dae", {"inputs": {"grid": "old"}}, volumes)
    place = VoxelGrid.of_store(volumes)
    assert place is not None
    require_grid(results / "train/dae", {"inputs": {}, "imported": {}, "grid": place.as_json()}, volumes)
    with pytest.raises(UserError, match=r"dae was imported by an earlier version .*: import it again"):
        require_grid(results / "train/dae", {"inputs": {}, "imported": {}}, volumes)


def test_a_store_without_digests_of_its_scans_says_what_to_do(cohort, results: Path) -> None:
    content = read_json(results / "store/volumes/store.json")
    del content["scans"]
    write_json(results / "store/volumes/store.json", content)
    with pytest.raises(UserError, match=r"volumes/store.json was written by an earlier version.*delete that file"):
        opened(results, cohort).code("y_sem", [0])
