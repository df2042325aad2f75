"""`ldae check-precision`: what is compared, in which unit, and what it says."""

import numpy as np
import pandas as pd
import pytest

from ldae.cli import main
from ldae.commands.check_precision import lines
from ldae.core.errors import UserError
from ldae.core.files import read_json, write_json, write_text, write_tsv
from ldae.core.store import open_store, write_store
from ldae.report.precision import TABLES, compare, measured, prepare
from ldae.studies.common.paper_tables import format_estimate, printed_decimals


@pytest.mark.parametrize("value", [0.8734, -0.8734, 10.0, -12.3456, 1234.5, 0.0123, 0.00123456, -3.21e-7])
def test_decimals_are_those_that_are_printed(value):
    """A change of a unit in the last decimal is printed, one of a tenth of it is not seen."""

    def printed(number):
        return format_estimate(pd.Series({"value": number, "low": np.nan, "note": None, "n_subjects": 1}))

    unit = 10.0 ** -printed_decimals(value)
    middle = round(value, printed_decimals(value))  # away from where rounding turns
    assert printed(middle + unit) != printed(middle) == printed(middle + unit / 10)


def table(**values):
    rows = [("reconstruction", *name.split("__"), value) for name, value in values.items()]
    return pd.DataFrame(rows, columns=["study", "metric", "place", "value"])


def test_the_value_that_moves_most_in_printed_units_decides():
    """0.0004 of 0.9 is less than half of 0.001, 0.0004 of 0.009 is more than half of its fourth digit."""
    exact = table(ssim__a=0.9, ssim__b=0.009, mse__a=12.0, gone__a=1.0, none__a=np.nan)
    half = table(ssim__a=0.9004, ssim__b=0.0094, mse__a=12.0049, gone__a=np.nan, none__a=np.nan)
    found = compare(exact, half).set_index("metric")
    assert list(found.index) == ["ssim", "mse", "gone"]
    assert found.loc["ssim", ["values", "fp32", "bf16"]].tolist() == [2, 0.009, 0.0094]
    assert found.loc["ssim", "half_a_unit"] == pytest.approx(5e-7)
    assert found["survives"].to_dict() == {"ssim": False, "mse": True, "gone": False}


def test_half_a_unit_is_too_much():
    exact = table(a__x=0.5, b__x=0.5)
    found = compare(exact, table(a__x=0.5 + 2**-11, b__x=0.5 + 2**-10)).set_index("metric")  # 0.00049, 0.00098
    assert found["survives"].to_dict() == {"a": True, "b": False}


def test_metrics_that_must_stay_in_float32_are_named():
    exact = table(ssim__x=0.9, mse__x=12.0)
    said = "\n".join(lines(compare(exact, table(ssim__x=0.9, mse__x=12.1))))
    assert "1 of 2 metrics must stay in float32" in said and "reconstruction: mse" in said
    assert lines(compare(exact, exact))[-1] == "No printed digit of 2 metrics changes in bf16."


def test_every_study_is_read(tmp_path):
    """Estimates by method (and solver), and numbers by scan."""
    for name in TABLES:
        row = {"method": "ae", "metric": "m", "solver": "ddim", "steps": 4, "value": 1.5, "low": 1.0, "note": None}
        write_tsv(tmp_path / "evaluate" / name, pd.DataFrame([row]))
    scan = {"participant_id": "sub-1", "session_id": "ses-1", "probability_ad": 0.25}
    write_tsv(tmp_path / "evaluate" / "predictions.tsv", pd.DataFrame([scan]))
    found = measured(tmp_path)
    assert set(found["study"]) == {*(name.split("/")[0] for name in TABLES), "probes"}
    assert found.set_index("study").loc["solvers", "place"] == "ae ddim 4"
    assert found.iloc[-1].tolist() == ["probes", "probability_ad", "sub-1_ses-1", 0.25]


@pytest.fixture
def finished(tmp_path):
    """Three subjects of each split, two visits each; one model, with the scale that was measured once."""
    results, names = tmp_path / "results", [f"sub-{place}" for place in range(6)]
    index = pd.DataFrame({"participant_id": np.repeat(names, 2), "session_id": ["ses-1", "ses-2"] * 6})
    volumes = np.arange(12 * 8, dtype=np.uint8).reshape(12, 2, 2, 2)
    write_store(results / "store" / "volumes", volumes, index, dtype="uint8", affine=np.eye(4).tolist())
    scans = open_store(results / "store" / "volumes").scans
    write_store(results / "store" / "volumes_dae", volumes[:, :1], index, dtype="uint8", scans=scans)
    splits = pd.DataFrame({"participant_id": names, "split": ["train", "test"] * 3})
    write_tsv(results / "manifest" / "splits.tsv", splits)
    write_text(results / "train" / "autoencoder" / "model.safetensors", "weights")
    write_json(results / "train" / "autoencoder" / "model.json", {"digest": "x"})
    write_json(results / "train" / "autoencoder" / "scale_factor.json", {"autoencoder": "x", "training_split": 2.0})
    return results


def test_few_subjects_of_both_splits_are_taken_and_nothing_of_the_run_can_be_written(finished, tmp_path):
    before = {path: path.read_bytes() for path in finished.rglob("*") if path.is_file()}
    prepare(finished, tmp_path / "scratch", 2)
    for name in ("volumes", "volumes_dae"):
        whole, part = (open_store(folder / "store" / name) for folder in (finished, tmp_path / "scratch"))
        assert list(part.index["participant_id"]) == ["sub-0"] * 2 + ["sub-1"] * 2 + ["sub-2"] * 2 + ["sub-3"] * 2
        assert np.array_equal(part.data, whole.data[:8]) and part.scans == whole.scans[:8]
        assert part.meta.get("affine") == whole.meta.get("affine")
    model = tmp_path / "scratch" / "train" / "autoencoder"
    write_json(model / "scale_factor.json", {"autoencoder": "x", "training_split": 3.0})  # as encode_latents would
    assert (model / "model.safetensors").read_text() == "weights"
    assert {path: path.read_bytes() for path in finished.rglob("*") if path.is_file()} == before
    assert read_json(finished / "train" / "autoencoder" / "scale_factor.json")["training_split"] == 2.0


def test_an_unfinished_run_is_one_sentence(finished, tmp_path, capsys):
    splits = pd.DataFrame({"participant_id": [f"sub-{place}" for place in range(6)], "split": "train"})
    write_tsv(finished / "manifest" / "splits.tsv", splits)
    with pytest.raises(UserError, match="No scan of the test split"):
        prepare(finished, tmp_path / "scratch", 2)
    files = ["config/config.yaml", "config/small_networks.yaml", "config/demo.yaml"]
    own = tmp_path / "own.yaml"
    own.write_text(f"results_dir: {tmp_path / 'nowhere'}\n")
    assert main(["check-precision", "--config", *files, str(own)]) == 1
    assert "nowhere" in capsys.readouterr().err
    assert main(["check-precision", "--config", *files, str(own), "--subjects", "0"]) == 1
    assert "--subjects 0" in capsys.readouterr().err
