"""Device hours from a live record, and seconds per scan of jobs whose length is known."""

import json
import time
from pathlib import Path

import pandas as pd
import torch
from torch import nn

from ldae.config import Evaluation
from ldae.core.files import write_json
from ldae.inference.decoder import DaeDecoder
from ldae.networks.counts import count_parameters
from ldae.studies.efficiency.measure import CALLS, measured, spent, timings, training_row
from ldae.studies.efficiency.table import methods_table, trainings_table


def live(folder: Path, rows: list[dict]) -> Path:
    (folder / "checkpoints").mkdir(parents=True)
    (folder / "checkpoints/live.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


def test_device_hours_count_every_device_of_every_part(tmp_path: Path) -> None:
    """An hour on one GPU, then half an hour on two others."""
    rows = [(1, 1800, "A", 1), (2, 3600, "A", 1), (3, 5400, "B", 2)]
    columns = ("step", "seconds", "device", "devices")
    found = spent(live(tmp_path / "new", [dict(zip(columns, row, strict=True)) for row in rows]))
    assert (found.hours, found.device_hours, found.devices) == (1.5, 2.0, "1 x A; 2 x B")
    assert spent(live(tmp_path / "old", [{"step": 1, "seconds": 5.0}])) is None and spent(tmp_path / "none") is None


def test_a_training_without_a_record_says_so(tmp_path: Path) -> None:
    settings = {"training": {"steps": 5, "batch": 4}}
    facts = {"scans": 7, "volume_shape": [8, 9, 10], "step": 4}
    description = {"parameters": {"a": 2, "b": 3}, "settings": settings, "digest": "0f3a"} | facts
    write_json(tmp_path / "dae/model.json", description)
    row = training_row(tmp_path / "dae")
    assert row["parameters_trained"] == 5 and row["grid"] == "8 x 9 x 10" and row["device_hours"] is None
    assert row["steps"] == 4 and row["scans"] == 7
    write_json(tmp_path / "dae/model.json", description | {"imported": "a file"})
    assert training_row(tmp_path / "dae")["devices"] == "imported: not trained here"
    table = trainings_table(pd.DataFrame([row]))
    assert table["parameters_published"].tolist() == ["130 M"] and "n/a" in table["devices"][0]
    assert table["epochs"].tolist() == [4 * 4 / 7]


def test_a_job_is_timed(cohort: tuple) -> None:
    started = time.perf_counter()
    seconds = measured(lambda: time.sleep(0.05), torch.device("cpu"))
    assert 0.05 <= seconds <= time.perf_counter() - started


def test_every_method_is_timed_alone_and_in_batches(cohort: tuple, dae: DaeDecoder, settings: Evaluation) -> None:
    ldae, inputs = cohort
    ldae.encoder, ldae.autoencoder, ldae.estimator = nn.Linear(2, 3), nn.Linear(4, 5), nn.Module()
    ldae.estimator.trunk = nn.Linear(6, 7)
    table = timings(ldae, dae, inputs, settings.model_copy(update={"efficiency_repeats": 2}), 1)
    assert table.groupby("batch")["method"].apply(list).to_dict() == {1: list(CALLS), 4: list(CALLS)}
    rows = table[table["batch"] == 1].set_index("method")
    assert rows.loc["ldae_encoded", "network_calls"] == 40 and rows.loc["ae", "network_calls"] == 0
    assert rows.loc["lddim_encoded", "parameters"] == 6 * 7 + 7 + 4 * 5 + 5
    assert rows.loc["dae_noise", "parameters"] == count_parameters(dae.network) == 8 * 8 * 6
    assert rows.loc["dae_noise", "diffused_values"] == 8 * 8 * 6 and rows.loc["ldae_noise", "diffused_values"] == 5120
    assert (table["least"] <= table["seconds_per_scan"]).all() and (table["most"] >= table["seconds_per_scan"]).all()
    shown = methods_table(table).set_index(["method", "batch"])
    assert shown.loc[("dae_encoded", 1), "seconds_per_scan_published"].startswith("120")
    assert pd.isna(shown.loc[("dae_encoded", 4), "seconds_per_scan_published"])
