"""docs/outputs.md: every file that a run writes, and every column; the smoke chain is held against it, too."""

import re
from pathlib import Path

import pandas as pd
import pytest

from ldae.core.files import write_tsv
from ldae.report.outputs import FILES, SAID, column_words, matches, outputs_page, told, unexplained
from ldae.studies.common import codes_read
from ldae.studies.common.statistics import ESTIMATE_COLUMNS
from ldae.studies.conversion import estimates as conversion_estimates
from ldae.studies.conversion import measure as conversion
from ldae.studies.counterfactual import measure as counterfactual
from ldae.studies.forecasting import estimates as forecasting_estimates
from ldae.studies.forecasting import measure as forecasting
from ldae.studies.interpolation import measure as interpolation
from ldae.studies.manipulation import effects
from ldae.studies.manipulation import measure as manipulation
from ldae.studies.probes import checks, reading
from ldae.studies.registry import STUDIES, tables
from ldae.studies.reliability import measure as reliability

ROOT = Path(__file__).parents[3]
COLUMNS = {
    "estimates": ("evaluate/x/summary.tsv", ["method", "metric", *ESTIMATE_COLUMNS]),
    "reads": ("evaluate/manipulation/reads.tsv", codes_read.COLUMNS),
    "triplets": ("evaluate/interpolation/triplets.tsv", interpolation.COLUMNS),
    "triplets by group": ("evaluate/interpolation/by_group.tsv", interpolation.GROUP_KEYS),
    "moved scans": ("evaluate/manipulation/scans.tsv", manipulation.COLUMNS),
    "edited scans": ("evaluate/counterfactual/scans.tsv", counterfactual.COLUMNS),
    "travelling scans": ("evaluate/reliability/scans.tsv", reliability.COLUMNS),
    "forecasts": ("evaluate/forecasting/forecasts.tsv", forecasting.COLUMNS),
    "forecasts by group": ("evaluate/forecasting/by_group.tsv", forecasting_estimates.GROUP_KEYS),
    "conversions": ("evaluate/conversion/predictions.tsv", conversion.COLUMNS),
    "conversions by third": ("evaluate/conversion/thirds.tsv", conversion_estimates.KEYS),
    "doses": ("evaluate/manipulation/doses.tsv", effects.DOSE_KEYS),
    "label efficiency": ("evaluate/probe_checks/label_efficiency.tsv", checks.KEYS),
    "confounds": ("evaluate/probe_checks/confounds.tsv", checks.COLUMNS),
    "components": ("evaluate/probe_checks/components.tsv", reading.COMPONENT_KEYS),
}


def test_the_page_is_in_step_with_the_code():
    assert (ROOT / "docs/outputs.md").read_text(encoding="utf-8") == outputs_page(), "run `make docs`"


@pytest.mark.parametrize("name", COLUMNS)
def test_columns_that_the_code_names_are_explained(name):
    path, columns = COLUMNS[name]
    assert told(path) and [column for column in columns if not column_words(column, path)] == []


def test_every_output_that_a_rule_names_is_explained():
    """Files of a rule whose name has no wildcard, as the rules spell them."""
    text = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "rules").glob("*.smk"))
    folders = {"RESULTS": "", "STORE": "store/", "TRAIN": "train/", "EVALUATE": "evaluate/", "PAPER": "paper/"}
    named = {
        f"{folders[root]}{path}" for root, path in re.findall(r'f"\{(\w+)\}/([\w./]+\.\w+)"', text) if root in folders
    }
    assert len(named) > 100 and sorted(path for path in named if told(path) is None) == []
    assert all(told(f"paper/{table.folder}/{table.name}.tsv") for table in tables(STUDIES))


def test_patterns_are_told_apart():
    assert matches("store/*/data.npy", "store/volumes/data.npy")
    assert not matches("store/*/data.npy", "store/codes/y_sem/data.npy") and not matches("logs/**", "logs")
    assert matches("logs/**", "logs/a/b.log") and not matches("a.tsv", "abtsv")
    assert len(FILES) == sum(map(len, SAID["files"].values()))  # none twice


def test_what_nobody_explained_is_found(tmp_path):
    (tmp_path / "evaluate/x").mkdir(parents=True)
    write_tsv(tmp_path / "evaluate/x/summary.tsv", pd.DataFrame({"method": ["a"], "moon": [1]}))
    (tmp_path / "moon.txt").touch()
    assert list(unexplained(tmp_path)) == ["evaluate/x/summary.tsv: moon", "moon.txt"]


def test_a_column_means_what_its_table_says():
    assert column_words("alpha", "evaluate/manipulation/scans.tsv").startswith("length of the step")
    assert column_words("alpha", "evaluate/interpolation/triplets.tsv").startswith("the place of the target")
    assert set(SAID["tables"]) <= set(FILES) | {"paper/figures/figure_training.tsv"}
    assert column_words("brain_ml", "derivatives/ldae-preproc/qc.tsv") == "Volume of the brain mask (ml)"
    assert column_words("auc_ad_cv_published") == "the paper's number for `auc_ad_cv`"
    assert column_words("y_sem_12") and column_words("moon") is None
