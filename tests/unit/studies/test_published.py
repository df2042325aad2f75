"""Every number of the paper's Tables 5 to 7 that was found stands beside ours: counted against a typed list."""

from pathlib import Path

import pandas as pd
import pytest

from ldae.core.files import read_tsv
from ldae.studies.efficiency.table import methods_table, trainings_table
from ldae.studies.probes.table import probe_table
from ldae.studies.reconstruction.table import reconstruction_table, solver_table

TABLE_6 = """
ae             -    .962  .075  .001
ldae_noise     10   .872  .156  .005
ldae_noise     20   .871  .155  .005
ldae_noise     50   .870  .155  .005
ldae_noise     100  .869  .155  .005
ldae_encoded   10   .953  .081  .001
ldae_encoded   20   .960  .077  .001
ldae_encoded   50   .962  .076  .001
ldae_encoded   100  .962  .075  .001
lddim_encoded  100  .962  .075  .001
dae_encoded    100  .892  .030  .001
"""  # method, steps, SSIM, LPIPS, MSE
IN_TABLE_6 = 63  # numbers that the paper's table has: 21 rows
TABLE_7 = """
ldae        83.65  84.69  91.02  87.74  89.48  4.16  5.23
dae         74.68  77.68  85.04  81.19  78.00  4.93  6.11
supervised  84.64  86.90  87.43  87.16  90.67  4.34  4.63
"""  # accuracy, precision, recall, F1 (of CN), AUC, all in per cent; mean absolute and root mean square error of age
COLUMNS_7 = (
    "accuracy_ad",
    "precision_cn_positive",
    "sensitivity_cn_positive",
    "f1_cn_positive",
    "auc_ad",
    "age_mae",
    "age_rmse",
)
OWN_ROW = {"supervised": "test subjects, own head"}
PAPERS_ROW = "test subjects, the paper's gradient descent"


def typed(text: str) -> list[list[str]]:
    return [line.split() for line in text.strip().splitlines()]


def number(cell: object) -> float:
    """The number that a cell begins with."""
    return float(str(cell).split()[0])


def test_table_6(evaluated: Path) -> None:
    main = reconstruction_table(evaluated).set_index("method")
    solvers = solver_table(read_tsv(evaluated / "solvers" / "summary.tsv"))
    solvers = solvers[solvers["solver"] == "ddim"].set_index(["method", "steps"])
    found = 0
    for method, steps, *numbers in typed(TABLE_6):
        rows = [main.loc[method]] if steps in ("-", "100") else []
        rows += [solvers.loc[(method, int(steps))]] if steps != "-" else []
        for metric, text in zip(("ssim_w3_paper", "lpips_paper_half", "mse"), numbers, strict=True):
            assert [number(row[f"{metric}_published"]) for row in rows] == [float(text)] * len(rows)
            found += 1
    shown = solvers.filter(like="_published").notna().to_numpy().sum()
    of_autoencoder = main.loc["ae"].filter(like="_published").drop("values_in_code_published").notna().sum()
    assert found == shown + of_autoencoder == 33 < IN_TABLE_6


def test_the_docs_name_what_was_not_found_of_table_6() -> None:
    page = " ".join((Path(__file__).parents[3] / "docs/statistics.md").read_text().split())
    assert f"{3 * len(typed(TABLE_6))} of its {IN_TABLE_6} numbers" in page


@pytest.mark.parametrize("row", typed(TABLE_7), ids=lambda row: row[0])
def test_table_7(evaluated: Path, row: list[str]) -> None:
    method, *numbers = row
    table = probe_table(evaluated).set_index(["method", "protocol"])
    ours = table.loc[(method, OWN_ROW.get(method, PAPERS_ROW))]
    for metric, text in zip(COLUMNS_7, numbers, strict=True):
        expected = float(text) if metric.startswith("age") else float(text) / 100
        assert number(ours[f"{metric}_published"]) == pytest.approx(expected, abs=1e-9)
    others = table.loc[method].drop(OWN_ROW.get(method, PAPERS_ROW))
    assert others.filter(like="_published").isna().all(axis=None)  # the numbers of one protocol, in its row alone


@pytest.mark.parametrize("row", typed(TABLE_7), ids=lambda row: row[0])
def test_what_was_solved_for_follows_from_what_is_printed(evaluated: Path, row: list[str]) -> None:
    """Shares of the four cells from accuracy, precision and recall of CN: the recall of AD and Matthews correlation."""
    method, accuracy, precision, recall, *_ = row[0], *(float(text) / 100 for text in row[1:4])
    cn = (1 - accuracy) / (1 - recall + recall * (1 - precision) / precision)
    tp, fp = recall * cn, recall * cn * (1 - precision) / precision
    fn, tn = cn - tp, 1 - cn - fp
    mcc = (tp * tn - fp * fn) / ((tp + fp) * (tp + fn) * (tn + fp) * (tn + fn)) ** 0.5
    ours = probe_table(evaluated).set_index(["method", "protocol"]).loc[(method, OWN_ROW.get(method, PAPERS_ROW))]
    assert number(ours["sensitivity_ad_published"]) == pytest.approx(tn / (tn + fp), abs=5e-4)
    assert number(ours["mcc_ad_published"]) == pytest.approx(mcc, abs=6e-4)
    known = method == "ldae"
    assert ("solved for" in ours["mcc_ad_published"]) != known and "solved for" in ours["sensitivity_ad_published"]


def test_table_5() -> None:
    stages = {"autoencoder": (14, 20, 72), "diffusion": (486, 500, 36), "representation": (920, 200, 96)}
    stages |= {"dae": (130, 140, 7 * 24 * 2)}
    rows = [
        {"stage": name, "parameters_trained": 1, "steps": 1, "batch": 1, "scans": 1, "device_hours": 1}
        for name in stages
    ]
    table = trainings_table(pd.DataFrame(rows)).set_index("stage")
    columns = ["parameters_published", "epochs_published", "gpu_hours_published"]
    assert {name: tuple(number(cell) for cell in row) for name, row in table[columns].iterrows()} == stages
    seconds = pd.DataFrame({"method": ["ldae_encoded", "dae_encoded"], "batch": 1, "repeats": 1})
    shown = methods_table(seconds.assign(seconds_per_scan=1.0, least=1.0, most=1.0))
    assert [number(cell) for cell in shown["seconds_per_scan_published"]] == [6, 120]
