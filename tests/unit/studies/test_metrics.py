"""SSIM against two other implementations, and the closed forms of the rest."""

import numpy as np
import pytest
import torch

from ldae.studies.common.image_metrics import image_metrics, mse, psnr, ssim_brain, ssim_map, ssim_whole

GOLDEN = {
    "ssim_w11_brain": 0.9565521,
    "ssim_w11": 0.9549514,
    "ssim_w3_paper": 0.9390611,
    "mse": 0.0067162,
    "psnr": 21.7287521,
}


@pytest.fixture
def pair() -> tuple[torch.Tensor, torch.Tensor]:
    rng = np.random.default_rng(0)
    x = rng.random((2, 1, 24, 20, 22)).astype(np.float32)
    y = np.clip(x + 0.2 * rng.standard_normal(x.shape), 0, 1).astype(np.float32)
    return torch.from_numpy(x), torch.from_numpy(y)


def test_window_11_equals_scikit_image(pair: tuple[torch.Tensor, torch.Tensor]) -> None:
    from skimage.metrics import structural_similarity

    ours = ssim_map(*pair, 11).numpy()
    for i in range(2):
        x, y = (image[i, 0].numpy() for image in pair)
        _, theirs = structural_similarity(
            x, y, data_range=1, gaussian_weights=True, sigma=1.5, use_sample_covariance=False, full=True
        )
        np.testing.assert_allclose(ours[i, 0], theirs[5:-5, 5:-5, 5:-5], atol=2e-5)


@pytest.mark.parametrize("window", [3, 4, 11])
def test_whole_volume_equals_monai(pair: tuple[torch.Tensor, torch.Tensor], window: int) -> None:
    from monai.metrics.regression import SSIMMetric

    theirs = SSIMMetric(spatial_dims=3, data_range=1.0, win_size=window)(*pair)
    np.testing.assert_allclose(ssim_whole(*pair, window), theirs[:, 0], atol=2e-5)


def test_brain_ssim_is_the_mean_of_the_map_inside_the_brain(pair: tuple[torch.Tensor, torch.Tensor]) -> None:
    x, y = pair
    brain = torch.zeros_like(x, dtype=torch.bool)
    brain[:, :, 8:14, 7:12, 9:15] = True
    inside = ssim_map(x, y, 11)[:, :, 3:9, 2:7, 4:10].flatten(1).mean(1)
    np.testing.assert_allclose(ssim_brain(x, y, mask=brain), inside, atol=1e-5)


def test_whole_volume_is_the_mean_of_scikit_images_map(pair: tuple[torch.Tensor, torch.Tensor]) -> None:
    """Where the whole window fits. (Scikit-image has no Gaussian of another size; MONAI checks the others above.)"""
    from skimage.metrics import structural_similarity

    options = {"data_range": 1, "gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}
    for i in range(2):
        x, y = (image[i, 0].numpy().astype(np.float64) for image in pair)
        theirs = structural_similarity(x, y, full=True, **options)[1][5:-5, 5:-5, 5:-5].mean()
        assert float(ssim_whole(*pair, 11)[i]) == pytest.approx(theirs, abs=1e-5)


def test_golden_values() -> None:
    """Metrics of one pair, as they have always been (tolerance 1e-5); the pair is made by arithmetic alone."""
    x, y, z = (torch.arange(size, dtype=torch.float64) / size for size in (16, 18, 20))
    grid = x[:, None, None] + 2 * y[None, :, None] + 3 * z[None, None, :]
    inside = (grid > 1) & (grid < 5)
    first = ((0.5 + 0.4 * torch.sin(6 * grid)) * inside).float()[None, None]
    second = ((0.5 + 0.4 * torch.sin(6 * grid + 0.3)) * inside).float()[None, None]
    found = {name: values[0] for name, values in image_metrics(first, second).items()}
    assert found == pytest.approx(GOLDEN, abs=1e-5)
    assert found["mse"] == pytest.approx(float(((first - second).double() ** 2).mean()), rel=1e-6)


def test_background_does_not_count() -> None:
    """Outside the brain and farther than half a window from it, nothing changes the value."""
    x = torch.zeros(1, 1, 30, 30, 30)
    x[..., 10:20, 10:20, 10:20] = torch.rand(10, 10, 10, generator=torch.Generator().manual_seed(0)) + 0.1
    y = 0.9 * x
    spoiled = y.clone()
    spoiled[..., 0:4, :, :] = 1
    assert ssim_brain(x, spoiled) == ssim_brain(x, y)
    assert ssim_whole(x, spoiled) < ssim_whole(x, y) - 0.05


def test_brain_at_the_border_has_a_value(pair: tuple[torch.Tensor, torch.Tensor]) -> None:
    x, y = pair
    assert torch.isfinite(ssim_brain(x, y)).all() and (ssim_brain(x, y) < 1).all()


def test_equal_images(pair: tuple[torch.Tensor, torch.Tensor]) -> None:
    metrics = image_metrics(pair[0], pair[0])
    assert metrics["ssim_w11_brain"] == pytest.approx([1, 1])
    assert metrics["mse"] == [0, 0] and metrics["psnr"] == pytest.approx([100, 100])


def test_mse_and_psnr_per_scan() -> None:
    x = torch.zeros(2, 1, 4, 4, 4)
    y = torch.stack([torch.full((1, 4, 4, 4), 0.1), torch.full((1, 4, 4, 4), 0.5)])
    assert mse(x, y).tolist() == pytest.approx([0.01, 0.25])
    assert psnr(x, y).tolist() == pytest.approx([20, 6.0206], abs=1e-4)
