"""One tiny results folder for all tests of the report."""

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "studies"))

from result_files import write_results

from ldae.config import Config, parse_config
from ldae.core.files import write_tsv
from ldae.report.html import ReportSources
from ldae.studies.common.figure_style import empty_figure
from ldae.studies.registry import STUDIES, figures

TRAINING = {"steps": 1, "batch": 1, "micro_batch": 1, "learning_rate": 1e-3, "validate_every": 1}


@pytest.fixture(scope="session")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_results(tmp_path_factory.mktemp("results"))


@pytest.fixture(scope="module")
def config() -> Config:
    return parse_config(
        {
            "results_dir": "results",
            "raw": None,
            "phantom": {"subjects": {"CN": 2, "AD": 2}},
            "convert": {"shards": 1},
            "preprocessing": {"shards": 1},
            "autoencoder": {"training": TRAINING},
            "diffusion": {"training": TRAINING},
            "representation": {"training": TRAINING},
            "dae": {"shape": [16, 16, 16], "training": TRAINING},
            "supervised_ad": {"training": TRAINING},
            "supervised_age": {"training": TRAINING},
        }
    )


@pytest.fixture(scope="module")
def sources(results: Path) -> ReportSources:
    folder = results / "paper/figures"
    for figure in figures(STUDIES):
        if figure.name != "figure_qc":
            empty_figure(folder / figure.name, f"a stand-in for {figure.name}")
    table_1 = results / "paper/table_1.tsv"
    columns = ["diagnosis", "subjects", "scans", "age_mean", "age_sd", "female_percent"]
    write_tsv(
        table_1, pd.DataFrame([("CN", 3, 6, 72.31, 8.0, 50.0), ("AD", 3, 1, np.nan, np.nan, np.nan)], columns=columns)
    )
    provenance = {"libraries": {"torch": "2.10", "<b>": "&"}, "code": "0f3a"}
    exclusions = results / "manifest/exclusions.tsv"
    return ReportSources(folder, results / "evaluate", table_1, exclusions, results / "paper/tables", provenance)
