"""An imported chain keeps the scale factor, the grid and the axes that it was trained with, wherever it is read."""

import numpy as np
import pandas as pd
import pytest
import torch
from published import CONFIG, run, write_published

from ldae import config
from ldae.core.errors import UserError
from ldae.core.lineage import chain_scale_factor, require_grid, require_scale_factor
from ldae.core.store import open_store, write_store
from ldae.core.voxel_grid import VoxelGrid
from ldae.inference.encode import encode_codes, encode_solver_codes
from ldae.inference.imported import _grid as grid_of_config
from ldae.inference.latents import encode_latents
from ldae.inference.model_folder import read_description
from ldae.inference.pipeline import LDAE
from ldae.inference.readers import Latents
from ldae.training.run import train_autoencoder, train_representation

FILES = ["--autoencoder", "autoencoder.pth", "--encoder", "encoder.ckpt", "--estimator", "estimator.ckpt"]
SAMPLING, METHOD, CPU = config.Sampling(steps=3), config.Method(), torch.device("cpu")
SIZE, CENTRE = (32, 32, 32), (-0.5, -17.5, 18.5)


def heads(count: int) -> np.ndarray:
    """(count, X, Y, Z) in [0, 1], R-A-S: balls of several sizes, a bright spot on the right, a dark one in front."""
    x, y, z = np.meshgrid(*(np.linspace(-1, 1, size) for size in SIZE), indexing="ij")
    volumes = []
    for size in np.linspace(0.75, 0.95, count):
        volume = np.where(x**2 + y**2 + z**2 < size, 0.5, 0.0)
        volume[(x - 0.5) ** 2 + y**2 + z**2 < 0.08] = 1.0
        volume[x**2 + (y - 0.5) ** 2 + z**2 < 0.08] = 0.2
        volumes.append(volume)
    return np.stack(volumes).astype(np.float32)


def write_cohort(folder, grid: VoxelGrid):
    """Eight scans of four subjects on a grid, and their splits."""
    names = [f"sub-{i // 2}" for i in range(8)]
    index = pd.DataFrame({"participant_id": names, "session_id": [f"ses-M{i % 2:03d}" for i in range(8)]})
    volumes = np.rint(heads(8) * 255).astype(np.uint8)[:, : grid.shape[0]]
    write_store(folder / "volumes", volumes, index, dtype="uint8", affine=grid.affine.tolist())
    splits = pd.DataFrame({"participant_id": sorted(set(names)), "split": ["train", "train", "validation", "test"]})
    splits.to_csv(folder / "splits.tsv", sep="\t", index=False)
    return folder


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    return write_cohort(tmp_path_factory.mktemp("cohort"), VoxelGrid(SIZE, 1.5, CENTRE))


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    return write_published(tmp_path_factory.mktemp("published"))


TRAINING = {"steps": 1, "batch": 2, "micro_batch": 1, "learning_rate": 1e-3, "validate_every": 1}


@pytest.fixture(scope="module")
def imported(published, tmp_path_factory):
    out = tmp_path_factory.mktemp("imported") / "train"
    assert run(published[0], out, *FILES) == 0
    return out


@pytest.fixture(scope="module")
def codes(cohort, imported, tmp_path_factory):
    """Latents and codes of the cohort by the imported chain."""
    out = tmp_path_factory.mktemp("codes")
    encode_latents(cohort / "volumes", imported / "autoencoder", cohort / "splits.tsv", out / "latents")
    encode_codes(cohort / "volumes", out / "latents", cohort / "splits.tsv", imported, out / "codes", METHOD, SAMPLING)
    return out


def images(cohort, rows):
    return torch.from_numpy(open_store(cohort / "volumes").volumes(rows))[:, None]


# the scale factor


def test_an_image_from_cached_codes_is_the_image_decoded_directly(cohort, imported, codes):
    ldae = LDAE.load(imported, METHOD, SAMPLING)
    assert open_store(codes / "latents").meta["scale_factor"] == ldae.scale_factor == 0.873
    x, y = images(cohort, [6, 7]), torch.from_numpy(open_store(codes / "codes/y_sem").volumes([6, 7]))
    x_T = torch.from_numpy(open_store(codes / "codes/x_T").volumes([0, 1]))
    cached = ldae.decode_latent(ldae.sample(x_T, y))
    direct = ldae.decode_latent(ldae.sample(ldae.invert(ldae.encode_latent(x), ldae.encode_semantic(x)), y))
    torch.testing.assert_close(cached, direct, rtol=1e-3, atol=1e-3)
    z = Latents(open_store(codes / "latents"), np.array([6, 7]), CPU).mean
    torch.testing.assert_close(ldae.decode_latent(z), ldae.autoencode(x), rtol=1e-3, atol=1e-4)


def test_the_measured_factor_would_be_another(cohort, published, tmp_path):
    """An imported autoencoder alone fixes no factor: networks of latents are still to be trained here."""
    assert run(published[0], tmp_path / "train", *FILES[:2]) == 0
    factors = {}
    for kind in ("training_split", "first_batch"):
        out, method = tmp_path / kind, config.Method(scale_factor=kind)
        encode_latents(cohort / "volumes", tmp_path / "train/autoencoder", cohort / "splits.tsv", out, method=method)
        factors[kind] = open_store(out).meta["scale_factor"]
    mu, sigma = open_store(tmp_path / "training_split").volumes(np.arange(4)).swapaxes(0, 1)
    assert factors["training_split"] == pytest.approx((mu.var() + np.square(sigma).mean()) ** -0.5, rel=1e-5)
    assert abs(factors["training_split"] / 0.873 - 1) > 0.05
    assert factors["first_batch"] == pytest.approx(factors["training_split"])  # all four scans are one batch


@pytest.mark.parametrize("order", [[0, 1], [1, 0]])
def test_the_factor_is_shared_in_whatever_order_they_come(published, tmp_path, order):
    parts = [FILES[:2], [*FILES[2:], "--scale-factor", "0.9"]]
    for place in order:
        assert run(published[0], tmp_path, *parts[place]) == 0
    for stage in ("autoencoder", "diffusion", "representation"):
        assert read_description(tmp_path / stage)["scale_factor"] == 0.9


def test_another_factor_makes_another_model_and_every_reader_refuses_it(cohort, published, imported, codes, tmp_path):
    assert run(published[0], tmp_path / "train", *FILES, "--scale-factor", "0.9") == 0
    before, after = (read_description(folder / "representation") for folder in (imported, tmp_path / "train"))
    assert before["digest"] != after["digest"]  # so that no code of the one is taken for one of the other
    ldae = LDAE.load(tmp_path / "train", METHOD, SAMPLING)
    assert ldae.scale_factor == 0.9
    paths = cohort / "volumes", codes / "latents", cohort / "splits.tsv", tmp_path / "train", tmp_path / "codes"
    said = r"multiplied by 0\.873, the networks were trained with 0\.9; run encode_latents again"
    with pytest.raises(UserError, match=said):
        encode_codes(*paths, METHOD, SAMPLING)
    write_store(tmp_path / "codes/y_sem", np.zeros((8, 2)), open_store(cohort / "volumes").index, model=ldae.digest)
    with pytest.raises(UserError, match=said):
        encode_solver_codes(*paths, METHOD, SAMPLING, [])
    with pytest.raises(UserError, match=said):
        require_scale_factor(open_store(codes / "latents"), ldae.scale_factor)
    stages = [tmp_path / "train" / stage for stage in ("autoencoder", "diffusion")]
    settings = config.load_config(CONFIG, published[0] / "small.yaml").representation
    with pytest.raises(UserError, match=said):
        train_representation(*paths[:3], *stages, tmp_path / "out", settings, METHOD, 1)


def test_models_of_two_chains_are_refused(published, imported, tmp_path):
    assert run(published[0], tmp_path, *FILES, "--scale-factor", "0.9") == 0
    mixed = [LDAE.load(folder, METHOD, SAMPLING) for folder in (imported, tmp_path)]
    assert mixed[0].digest != mixed[1].digest
    description = read_description(tmp_path / "autoencoder")
    with pytest.raises(UserError, match=r"a was trained on latents multiplied by 0\.9, b by 0\.873"):
        chain_scale_factor({"a": description, "b": read_description(imported / "diffusion")})


def test_a_training_that_was_begun_is_never_mixed_with_imported_weights(published, tmp_path, capsys):
    checkpoint = tmp_path / "autoencoder/checkpoints/step-00000010.json"
    checkpoint.parent.mkdir(parents=True)
    checkpoint.write_text("{}")
    assert run(published[0], tmp_path, *FILES) == 1
    assert "autoencoder holds a training that was begun: put it aside (ldae fresh" in capsys.readouterr().err
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [checkpoint]


def test_another_model_is_never_replaced(published, imported, tmp_path, capsys):
    folder = published[0]
    assert run(folder, tmp_path, *FILES) == 0
    assert run(folder, tmp_path, *FILES, "--axes", "RAS") == 0  # the same weights, said again
    assert read_description(tmp_path / "autoencoder")["grid"]["axes"] == "RAS"
    before = (tmp_path / "diffusion/model.safetensors").read_bytes()
    assert run(folder, tmp_path, "--unet", "unet.ckpt") == 1
    assert "holds another model: put it aside (ldae fresh" in capsys.readouterr().err
    assert (tmp_path / "diffusion/model.safetensors").read_bytes() == before


# axes and grid


def test_the_published_grid_is_what_their_loading_makes_of_their_template():
    """FSL's MNI152 (182 x 218 x 182 at 1 mm, L-A-S), resampled to 1.5 mm and padded, as their transforms do."""
    from monai.data import MetaTensor
    from monai.transforms import ResizeWithPadOrCrop, Spacing

    affine = np.array([[-1, 0, 0, 90], [0, 1, 0, -126], [0, 0, 1, -72], [0, 0, 0, 1]], dtype=float)
    image = Spacing(pixdim=1.5)(MetaTensor(torch.zeros(1, 182, 218, 182), affine=affine))
    image = ResizeWithPadOrCrop((128, 160, 128), mode="minimum")(image)
    settings = config.load_config(CONFIG)
    theirs, ours = grid_of_config(settings), settings.preprocessing.conform
    assert VoxelGrid.of(image.shape[1:], image.affine) == theirs
    np.testing.assert_allclose(theirs.affine, image.affine)
    assert theirs.offset_mm(VoxelGrid(ours.shape, ours.spacing_mm, ours.centre_mm)).tolist() == [0.25, -0.25, -0.25]


def test_networks_see_their_axes_and_images_come_back_in_ours(cohort, published, imported):
    _, autoencoder, encoder, _ = published
    ldae, x = LDAE.load(imported, METHOD, SAMPLING), images(cohort, [0])
    theirs = x.flip(2)
    with torch.no_grad():
        assert torch.equal(ldae.encode_semantic(x), encoder(theirs))
        assert (ldae.encode_semantic(x) - encoder(x)).abs().max() > 1e-4
        z = autoencoder.encode(theirs)[0]
        assert torch.equal(ldae.encode_latent(x), z * 0.873)  # latents keep the networks' axes
        assert torch.equal(ldae.autoencode(x), autoencoder.decode(z).flip(2))
    changed = x.clone()
    changed[:, :, 22:26, 14:18, 14:18] = 1 - changed[:, :, 22:26, 14:18, 14:18]  # on the right
    left, right = (ldae.autoencode(changed) - ldae.autoencode(x)).abs().split(16, dim=2)
    assert right.mean() > 5 * left.mean()  # and there it comes back


def test_any_axes_can_be_said(published, tmp_path, capsys):
    folder = published[0]
    (folder / "axes.yaml").write_text("{imported: {axes: RPI, centre_mm: [1, 2, 3], spacing_mm: 2}}")
    said = "--axes", "RPS", "--centre-mm", "-1", "2", "-3"
    assert run(folder, tmp_path, *FILES[:2], *said) == 0
    grid = read_description(tmp_path / "autoencoder")["grid"]
    assert grid == {"axes": "RPS", "shape": [32, 32, 32], "spacing_mm": 1.5, "centre_mm": [-1, 2, -3]}
    assert VoxelGrid.of_model({"grid": grid}).flipped == (1,)
    assert run(folder, tmp_path / "x", *FILES[:2], "--axes", "XAS") == 1
    assert "imported.axes" in capsys.readouterr().err
    settings = config.load_config(CONFIG, folder / "small.yaml", folder / "axes.yaml")
    assert grid_of_config(settings) == VoxelGrid(SIZE, 2, (1, 2, 3), "RPI")


def test_grid_and_affine_are_two_ways_to_say_one_thing():
    for axes in ("RAS", "LAS", "LPI"):
        grid = VoxelGrid((4, 6, 8), 1.5, (-0.75, 2, 3), axes)
        assert VoxelGrid.of(grid.shape, grid.affine) == grid
        assert VoxelGrid.of_model({"grid": grid.as_json()}) == grid
    ras, las = (VoxelGrid((4, 6, 8), 1.5, (-0.75, 2, 3), axes) for axes in ("RAS", "LAS"))
    index = np.array([1, 2, 3, 1])
    np.testing.assert_allclose(las.affine @ [3 - index[0], *index[1:]], ras.affine @ index)  # a flip moves no voxel
    with pytest.raises(UserError, match="not cubes along the axes"):
        VoxelGrid.of((4, 4, 4), np.roll(np.eye(4), 1, axis=0))


def other(**changes):
    return VoxelGrid(**({"shape": SIZE, "spacing_mm": 1.5, "centre_mm": CENTRE, "axes": "RAS"} | changes))


@pytest.mark.parametrize(
    "grid",
    [
        other(axes="LAS"),
        other(spacing_mm=2.0),
        other(centre_mm=(0.5, -17.5, 18.5)),
        other(shape=(16, 32, 32)),
    ],
)
def test_a_store_on_another_grid_is_refused(imported, tmp_path, grid):
    cohort = write_cohort(tmp_path, grid)
    with pytest.raises(UserError, match=r"was trained on L-A-S, 32 x 32 x 32 voxels of 1\.5 mm"):
        encode_latents(cohort / "volumes", imported / "autoencoder", cohort / "splits.tsv", tmp_path / "latents")
    with pytest.raises(UserError, match=r"set the grid of preprocessing\.conform"):
        LDAE.load(imported, METHOD, SAMPLING).require_volumes(open_store(cohort / "volumes"))


def test_a_quarter_of_a_millimetre_is_left_and_said(cohort, imported, caplog):
    require_grid("model", read_description(imported / "autoencoder"), open_store(cohort / "volumes"))
    assert "lie (+0.25, -0.25, -0.25) mm from where model saw them" in caplog.text


def test_our_own_models_say_their_grid_and_ask_for_exactly_it(cohort, tmp_path):
    settings = config.Autoencoder(channels=[8, 8], res_blocks=1, norm_groups=4, training=TRAINING, patch=2)
    train_autoencoder(cohort / "volumes", cohort / "splits.tsv", tmp_path, settings, 1)
    description = read_description(tmp_path)
    assert VoxelGrid.of_model(description) == other()
    require_grid("model", description, open_store(cohort / "volumes"))
    nearby = write_cohort(tmp_path / "nearby", other(centre_mm=(-0.75, -17.25, 18.75)))
    with pytest.raises(UserError, match="model was trained on R-A-S"):
        require_grid("model", description, open_store(nearby / "volumes"))
