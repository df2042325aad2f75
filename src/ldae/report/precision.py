"""Whether bf16 changes a printed digit: the studies of a finished run, on some of its subjects, in float32 and in bf16.

Everything that networks make after their training is made twice: latents, codes, x_T, and what the studies decode from
them. The probes are those of the run. A value that moves by half a unit of its last printed digit or more may be
printed otherwise.
"""

import shutil
from pathlib import Path

import numpy as np
import pandas as pd

from ldae.config import Arithmetic, Config
from ldae.core.errors import UserError
from ldae.core.files import read_json, read_tsv, write_json
from ldae.core.keys import KEY, KEY_TYPES
from ldae.core.scans import read_splits, split_rows
from ldae.core.store import open_store, write_store
from ldae.inference.decoder import DaeDecoder
from ldae.inference.device import one_thread
from ldae.inference.encode import encode_baselines, encode_codes, encode_solver_codes
from ldae.inference.latents import encode_latents
from ldae.inference.pipeline import LDAE
from ldae.inference.probe import Probe, sigmoid
from ldae.studies.common.inputs import Inputs, read_inputs
from ldae.studies.common.paper_tables import printed_decimals
from ldae.studies.interpolation.measure import run_interpolation
from ldae.studies.manipulation.measure import run_manipulation
from ldae.studies.reconstruction.measure import run_reconstruction
from ldae.studies.reconstruction.solvers import run_solvers
from ldae.studies.samples.measure import run_samples
from ldae.studies.samples.variation import run_variation

STORES = ("volumes", "volumes_dae")
TABLES = (
    "reconstruction/summary.tsv",
    "reconstruction/ventricles.tsv",
    "solvers/summary.tsv",
    "interpolation/summary.tsv",
    "manipulation/summary.tsv",
    "samples/distances.tsv",
    "samples/memorisation.tsv",
)
"""Long tables of estimates: their values are compared. Intervals would ask for all subjects."""
PRECISIONS = ("fp32", "bf16")
COLUMNS = ["study", "metric", "values", "fp32", "bf16", "difference", "half_a_unit", "survives"]


@one_thread()
def check_precision(config: Config, results: Path, scratch: Path, subjects: int) -> pd.DataFrame:
    """One row per study and metric: the value that bf16 moves most, in units of what is printed of it.

    Args:
        results: a finished results folder; nothing is written there.
        scratch: an empty folder for what both precisions make.
        subjects: of the test split, and as many of the training split.

    Raises:
        UserError: the run is not finished, or has no subject to test.
    """
    require_finished(results)
    values = {}
    for precision in PRECISIONS:
        how = Arithmetic(precision=precision, channels_last=config.evaluation.channels_last)
        folder = scratch / precision
        prepare(results, folder, subjects)
        measure(config, results, folder, how, subjects)
        values[precision] = measured(folder)
    return compare(values["fp32"], values["bf16"])


def require_finished(results: Path) -> None:
    """A results folder holds everything that is compared.

    Raises:
        UserError: something is missing.
    """
    stages = ("autoencoder", "diffusion", "representation", "dae", "supervised_ad", "supervised_age")
    parts = ["manifest/splits.tsv", "evaluate/probes/probe_ad.json", "evaluate/probes/fitted.json"]
    parts += [f"store/{name}/store.json" for name in STORES] + [f"train/{stage}/model.json" for stage in stages]
    for part in parts:
        if not (results / part).is_file():
            raise UserError(f"{results / part} is missing: finish the run, then check it.")


def prepare(results: Path, folder: Path, subjects: int) -> None:
    """Stores of the first subjects of either split, and model folders whose files are links to those of the run."""
    splits = read_splits(results / "manifest" / "splits.tsv")
    for name in STORES:
        store = open_store(results / "store" / name)
        chosen: list[int] = []
        for split in ("train", "test"):
            rows = split_rows(store, splits, split)
            people = store.index["participant_id"].iloc[rows]
            chosen += rows[people.isin(people.unique()[:subjects])].tolist()
        chosen.sort()
        about = {key: value for key, value in store.meta.items() if key not in ("shape", "dtype", "digest", "scans")}
        index = store.index.iloc[chosen].reset_index(drop=True)
        scans = [store.scans[row] for row in chosen]
        write_store(folder / "store" / name, (store.data[row] for row in chosen), index, "uint8", scans, **about)
    for model in sorted((results / "train").glob("*/model.json")):
        own = folder / "train" / model.parent.name
        own.mkdir(parents=True)
        for name in ("model.json", "model.safetensors"):
            (own / name).symlink_to(model.with_name(name).resolve())
        if (note := model.with_name("scale_factor.json")).is_file():
            shutil.copy(note, own)  # a copy: what is measured here is of a few scans


def measure(config: Config, results: Path, folder: Path, how: Arithmetic, subjects: int) -> None:
    """Encode the scans of a folder that was prepared, and run every study that decodes, into ``evaluate``."""
    store, train, out, splits = (
        folder / "store",
        folder / "train",
        folder / "evaluate",
        results / "manifest" / "splits.tsv",
    )
    few = {"dae_scans": subjects, "calibration_scans": subjects, "max_triplets": subjects, "samples": 4 * subjects}
    known = {name: min(most, getattr(config.evaluation, name)) for name, most in few.items()}
    settings = config.evaluation.model_copy(update=how.model_dump() | known | {"bootstrap": 2})
    volumes, codes, method, seed = store / "volumes", store / "codes", config.method, config.seed
    encode_latents(
        volumes, train / "autoencoder", splits, store / "latents", method=method, seed=seed, arithmetic=settings
    )
    made = (volumes, store / "latents", splits, train, codes, method, settings.sampling)
    encode_codes(*made, settings.batch, settings)
    encode_solver_codes(*made, settings.solvers, settings.batch, settings)
    encode_baselines(volumes, store / "volumes_dae", train, codes, settings.volumes, settings)
    inputs = read_inputs(store, splits)
    ldae = LDAE.load(train, method, settings.sampling, arithmetic=settings)
    dae = DaeDecoder.load(train / "dae", inputs.volumes_dae, settings.sampling, settings.volumes, settings)
    run_reconstruction(ldae, dae, inputs, settings, seed, out / "reconstruction")
    run_solvers(ldae, dae, inputs, settings, seed, out / "solvers")
    run_interpolation(ldae, inputs, settings, seed, out / "interpolation")
    run_samples(ldae, inputs, settings, seed, out / "samples")
    run_variation(ldae, inputs, settings, seed, out / "variation")
    given = results / "evaluate" / "probes" / "probe_ad.json"
    if "reason" not in (content := read_json(given)):
        probe = out / "probes" / "probe_ad.json"
        write_json(probe, content | {"codes": inputs.code_store("y_sem").digest})
        run_manipulation(ldae, inputs, probe, settings, seed, out / "manipulation")
        predictions(inputs, results / "evaluate" / "probes" / "fitted.json").to_csv(
            out / "predictions.tsv", sep="\t", index=False
        )


def predictions(inputs: Inputs, fitted: Path) -> pd.DataFrame:
    """What the run's probes of y_sem say of the test scans: the probability of AD, and years."""
    rows = inputs.rows("test")
    table, known = inputs.scans.loc[rows, KEY], read_json(fitted)
    for task, name, say in (("ad", "probability_ad", sigmoid), ("age", "age", np.asarray)):
        if f"test {task} ldae" in known:
            score = Probe.from_json(known[f"test {task} ldae"]).score(inputs.code("y_sem", rows).astype(float))
            table = table.assign(**{name: say(score)})
    return table


def measured(folder: Path) -> pd.DataFrame:
    """study, metric, place (what tells equal metrics apart) and value of everything that was measured."""
    parts = []
    for name in TABLES:
        path = folder / "evaluate" / name
        if not path.is_file():
            continue
        table = read_tsv(path)
        about = [column for column in ("method", "solver", "steps") if column in table]
        place = table[about].astype(str).agg(" ".join, axis=1)
        parts.append(table[["metric", "value"]].assign(study=name.split("/")[0], place=place))
    for name, study in (("variation/scans.tsv", "variation"), ("predictions.tsv", "probes")):
        path = folder / "evaluate" / name
        if path.is_file():
            table = read_tsv(path, dtype=KEY_TYPES)
            place = table[KEY].agg("_".join, axis=1)
            numbers = table.select_dtypes("number").assign(place=place)
            parts.append(numbers.melt("place", var_name="metric", value_name="value").assign(study=study))
    return pd.concat(parts, ignore_index=True)[["study", "metric", "place", "value"]]


def compare(exact: pd.DataFrame, half: pd.DataFrame) -> pd.DataFrame:
    """:data:`COLUMNS` for every study and metric, in their order; metrics without a value are left out."""
    keys = ["study", "metric", "place"]
    both = exact.merge(half, on=keys, how="left", suffixes=("_fp32", "_bf16"), validate="1:1")
    both = both[both[["value_fp32", "value_bf16"]].notna().any(axis=1)]
    rows = []
    for (study, metric), group in both.groupby(["study", "metric"], sort=False):
        difference = (group["value_bf16"] - group["value_fp32"]).abs().fillna(np.inf).to_numpy(float)
        units = np.array([0.5 * 10.0 ** -printed_decimals(value) for value in group["value_fp32"].fillna(0.0)])
        worst = int((difference / units).argmax())
        line = group.iloc[worst]
        found = (len(group), line["value_fp32"], line["value_bf16"], difference[worst], units[worst])
        rows.append((study, metric, *found, bool((difference < units).all())))
    return pd.DataFrame(rows, columns=COLUMNS)
