"""True ventricles from decoded volumes: a known scale of the estimator is undone, and no test scan has a say in it."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from torch import Tensor
from torch.nn import functional as F
from toy_cohort import LinearLDAE

from ldae.config import Evaluation
from ldae.core.errors import UserError
from ldae.core.files import read_tsv, write_tsv
from ldae.core.store import Store
from ldae.inference.decoder import Decoder
from ldae.studies.common.inputs import Inputs
from ldae.studies.common.ventricle_truth import (
    TRUTH,
    VentricleCalibration,
    VolumeLine,
    measured_reconstructions,
    measured_scans,
)
from ldae.studies.interpolation.measure import BY_KIND, MAPPED, ONE_LINE, RAW, run_interpolation
from ldae.studies.interpolation.predictors import FROM_VOXELS

SLOPE, OFFSET = 3.0, 7.0


class Blurring(LinearLDAE):
    """Decodes to the mean over 3 x 3 x 3 voxels: ventricles are measured smaller than in the scan."""

    def decode_latent(self, z: Tensor) -> Tensor:
        return F.avg_pool3d(super().decode_latent(z), 3, stride=1, padding=1, count_include_pad=False)


@pytest.fixture(scope="module")
def decoder() -> Decoder:
    return Decoder(Blurring(), 4)


@pytest.fixture(scope="module")
def inputs(cohort: tuple[LinearLDAE, Inputs], decoder: Decoder) -> Inputs:
    """Truth = 3 x (ventricles of the reconstruction) + 7 in every scan but those of validation."""
    _, opened = cohort
    measured = measured_reconstructions(decoder, opened, opened.scans.index.to_numpy())
    return with_truth(opened, np.where(opened.scans["split"] == "validation", 1e3, SLOPE * measured + OFFSET))


def with_truth(inputs: Inputs, true: np.ndarray) -> Inputs:
    return Inputs(inputs.store, inputs.volumes, inputs.scans.assign(**{TRUTH: true}), inputs.grid)


def test_a_known_scale_of_decoded_volumes_is_found(decoder: Decoder, inputs: Inputs) -> None:
    fitted = VentricleCalibration.fit(decoder, inputs, 1000, 1)
    line, train = fitted.of_decoded, inputs.scans[inputs.scans["split"] == "train"]
    assert (line.slope, line.offset, line.r) == pytest.approx((SLOPE, OFFSET, 1.0), rel=1e-4)
    assert line.residual_ml == pytest.approx(0, abs=1e-3)
    assert (line.scans, line.subjects) == (len(train), train["participant_id"].nunique())
    assert fitted.true_ml(10.0, decoded=True) == pytest.approx(37, rel=1e-4)
    assert abs(fitted.of_scans.slope - SLOPE) > 0.1  # scans are not measured so
    few = VentricleCalibration.fit(decoder, inputs, 3, 1)
    assert few.of_decoded.scans == 3 and few.of_scans == fitted.of_scans


def test_a_decoder_that_loses_nothing_needs_no_map(cohort: tuple[LinearLDAE, Inputs]) -> None:
    ldae, opened = cohort
    line = VentricleCalibration.fit(Decoder(ldae, 4), opened, 1000, 1).to_scans
    assert (line.slope, line.offset, line.r) == pytest.approx((1, 0, 1), abs=1e-4)
    assert line.residual_ml == pytest.approx(0, abs=1e-3)


def test_blurred_volumes_come_to_the_scale_of_scans_without_a_truth(
    cohort: tuple[LinearLDAE, Inputs], decoder: Decoder, inputs: Inputs
) -> None:
    """Of scans that have not been in the fit."""
    _, opened = cohort
    unknown = replace(opened, scans=opened.scans.drop(columns=TRUTH))
    assert not unknown.has_truth
    fitted, test = VentricleCalibration.fit(decoder, unknown, 1000, 1), opened.rows("test")
    assert fitted.of_scans is None and fitted.of_decoded is None
    assert fitted.table()["volumes"].tolist() == ["decoded_to_scans"]
    decoded, own = measured_reconstructions(decoder, opened, test), measured_scans(opened, test)
    mapped = np.array([fitted.scan_ml(value) for value in decoded])
    raw_error, error = np.abs(decoded - own), np.abs(mapped - own)
    assert raw_error.min() > 5 and (error < raw_error).all() and error.mean() < 0.2 * raw_error.mean()
    rows = opened.rows("train")
    x, y = measured_reconstructions(decoder, opened, rows), measured_scans(opened, rows)
    slope = ((x - x.mean()) * (y - y.mean())).sum() / ((x - x.mean()) ** 2).sum()  # least squares over training scans
    line = fitted.to_scans
    assert (line.slope, line.offset) == pytest.approx((slope, y.mean() - slope * x.mean()))
    assert line.scans == len(rows)
    assert fitted.scan_ml(5.0, decoded=False) == 5.0
    assert VentricleCalibration.fit(decoder, inputs, 1000, 1).to_scans == fitted.to_scans  # the truth has no say


def test_errors_of_interpolation_are_told_raw_and_mapped(
    cohort: tuple[LinearLDAE, Inputs], settings: Evaluation, tmp_path: Path
) -> None:
    opened = cohort[1]
    run_interpolation(Blurring(), replace(opened, scans=opened.scans.drop(columns=TRUTH)), settings, 1, tmp_path)
    table = read_tsv(tmp_path / "triplets.tsv").set_index("method")
    voxels = table.index.isin(FROM_VOXELS)
    assert (table.loc[voxels, MAPPED] == table.loc[voxels, RAW]).all()
    assert (table.loc["ae", MAPPED] < 0.2 * table.loc["ae", RAW]).all()
    assert table[BY_KIND].isna().all()


def test_the_error_of_the_autoencoder_is_undone(inputs: Inputs, settings: Evaluation, tmp_path: Path) -> None:
    run_interpolation(Blurring(), inputs, settings, 1, tmp_path)
    table = read_tsv(tmp_path / "triplets.tsv").set_index("method")
    assert table.loc["ae", BY_KIND].to_numpy() == pytest.approx(0, abs=2e-3)
    assert (table.loc["ae", ONE_LINE] > 1).all()
    decoded = ~table.index.isin(FROM_VOXELS)
    assert (table.loc[~decoded, BY_KIND] == table.loc[~decoded, ONE_LINE]).all()
    assert (table.loc[decoded, BY_KIND] != table.loc[decoded, ONE_LINE]).all()
    assert table.loc["latent_lerp", BY_KIND].mean() < table.loc["latent_lerp", ONE_LINE].mean()


def test_the_truth_of_test_scans_does_not_touch_the_file(inputs: Inputs, settings: Evaluation, tmp_path: Path) -> None:
    def written(split: str | None) -> bytes:
        true = inputs.scans[TRUTH].to_numpy(float).copy()
        if split is not None:
            rows = inputs.rows(split)
            true[rows] = np.random.default_rng(0).permutation(true[rows])
        out = tmp_path / str(split)
        run_interpolation(Blurring(), with_truth(inputs, true), settings, 1, out)
        return (out / "ventricle_calibration.tsv").read_bytes()

    assert written("test") == written(None) != written("train")


def test_the_pictures_of_test_scans_do_not_touch_the_fit(decoder: Decoder, inputs: Inputs, tmp_path: Path) -> None:
    def scrambled(store: Store, split: str) -> Store:
        data = np.array(store.data)
        rows = inputs.rows(split)
        data[rows] = data[np.roll(rows, 1)]
        return replace(store, data=data)

    def fitted(split: str | None) -> bytes:
        own = with_truth(inputs, inputs.scans[TRUTH].to_numpy(float))
        if split is not None:
            latents = scrambled(own.latents, split)
            own = replace(own, volumes=scrambled(own.volumes, split))
            own.__dict__["latents"] = latents
        write_tsv(tmp_path / "lines.tsv", VentricleCalibration.fit(decoder, own, 1000, 1).table())
        return (tmp_path / "lines.tsv").read_bytes()

    assert fitted("test") == fitted(None) != fitted("train")


def test_latents_of_another_autoencoder_are_refused(inputs: Inputs) -> None:
    other = Blurring()
    other.autoencoder_digest = "another"
    with pytest.raises(UserError, match="made by another autoencoder"):
        VentricleCalibration.fit(Decoder(other, 4), inputs, 10, 1)


def test_volumes_that_do_not_vary_give_no_line() -> None:
    assert VolumeLine.fit(np.array([5.0, 5.0]), np.array([1.0, 2.0]), ["a", "b"]) is None
    nothing = VentricleCalibration(None, None)
    assert np.isnan(nothing.true_ml(5.0, decoded=True)) and np.isnan(nothing.scan_ml(5.0))
    pd.testing.assert_index_equal(
        nothing.table().columns, pd.Index(["volumes", "slope", "offset", "scans", "subjects", "r", "residual_ml"])
    )
