"""``ldae import-weights --model``: published weights as a folder that everything reads like an exported model."""

import nibabel as nib
import numpy as np
import pytest
import torch
import yaml
from published import CONFIG, SMALL, run, write_published
from safetensors.torch import load_file, save_file
from trained import small_head

from ldae import LDAE
from ldae.cli import main
from ldae.core.files import read_json, read_tsv
from ldae.inference.probe import sigmoid
from ldae.preprocessing.conform import grid_affine

FILES = ["--autoencoder", "autoencoder.pth", "--encoder", "encoder.ckpt", "--estimator", "estimator.ckpt"]
PROBE = ["--probe", "classifier.pth", "mean.pt", "std.pt"]
PREPROCESSING = {
    "bias_field": {"shrink_factor": 6, "iterations": [5], "tolerance": 1e-3},
    "brain_extraction": {"second_stage": False},
    "registration": {"transform": "affine", "resolution_mm": 4},
    "conform": {"shape": [48, 56, 48]},
}


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    """The published files, the files of a probe of their codes among them."""
    folder, *networks = write_published(tmp_path_factory.mktemp("published"))
    generator = torch.Generator().manual_seed(1)
    torch.save({"weight": torch.randn(1, 320, generator=generator), "bias": torch.zeros(1)}, folder / "classifier.pth")
    torch.save(torch.randn(320, generator=generator), folder / "mean.pt")
    torch.save(torch.rand(320, generator=generator) + 0.5, folder / "std.pt")
    overlay = {"preprocessing": PREPROCESSING, "dae": {"shape": [32, 32, 32]}, "evaluation": {"sampling": {"steps": 2}}}
    (folder / "small.yaml").write_text(yaml.safe_dump(SMALL | overlay))
    return folder, *networks


def imported(folder, out, *arguments):
    """``import-weights --model``: ``run`` says --out, which is the other form."""
    given = [str(folder / name) if (folder / name).is_file() else name for name in arguments]
    return main(["import-weights", "--config", str(CONFIG), str(folder / "small.yaml"), "--model", str(out), *given])


@pytest.fixture(scope="module")
def model_folder(published, tmp_path_factory):
    out = tmp_path_factory.mktemp("imported") / "model"
    # 3.5 mm: the whole brain within 48 x 56 x 48 voxels
    assert imported(published[0], out, *FILES, *PROBE, "--spacing-mm", "3.5", "--scale-factor", "0.9") == 0
    return out


def in_half(folder, out):
    """The same files in half precision, the autoencoder as safetensors, the encoder with a score of MONAI's beside."""
    from monai.data import MetaTensor, list_data_collate

    batch = list_data_collate([{"image": MetaTensor(torch.ones(1, 2, 2, 2), affine=torch.eye(4))}])
    out.mkdir()
    for path in folder.iterdir():
        if path.suffix not in (".pth", ".ckpt", ".pt"):
            (out / path.name).write_bytes(path.read_bytes())
            continue
        content = torch.load(path, weights_only=True)
        callbacks = {"ModelCheckpoint": {"best_model_score": batch["image"].mean()}}
        more = {"callbacks": callbacks, "epoch": 3} if path.name == "encoder.ckpt" else {}
        torch.save(halved(content) | more if more else halved(content), out / path.name)
    save_file(torch.load(out / "autoencoder.pth", weights_only=True), out / "autoencoder.safetensors")
    return out


def halved(content):
    if isinstance(content, dict):
        return {name: halved(value) for name, value in content.items()}
    return content.half() if isinstance(content, torch.Tensor) and content.is_floating_point() else content


def test_the_folder_has_everything_that_an_exported_one_has(model_folder, capsys):
    assert main(["verify-model", str(model_folder)]) == 0
    assert capsys.readouterr().out.strip().endswith(", whole")
    stages = ("autoencoder", "diffusion", "representation")
    files = {path.relative_to(model_folder).as_posix() for path in model_folder.rglob("*") if path.is_file()}
    assert files == {f"{stage}/model.{form}" for stage in stages for form in ("json", "safetensors")} | {
        *("config.json", "probes.json", "reference.json", "reference.safetensors"),
        *("README.md", "LICENSE", "SHA256SUMS"),
    }
    card = (model_folder / "README.md").read_text()
    assert "contaminated" in card and "L-A-S" in card and "0.9" in card and "estimator.ckpt (sha256 " in card


def test_grid_axes_scale_factor_and_probe_are_those_of_the_training(published, model_folder):
    folder, _, encoder, _ = published
    model = LDAE.load(model_folder)
    conform = model.facts.recipe.preprocessing.conform
    assert (conform.shape, conform.spacing_mm, conform.centre_mm) == ((48, 56, 48), 3.5, (-0.75, -17.25, 18.75))
    assert model.networks.scale_factor == 0.9
    values = np.linspace(0, 1, 48 * 56 * 48).reshape(48, 56, 48).astype(np.float32)
    x = torch.from_numpy(values)[None, None]
    with torch.no_grad():
        y = encoder(x.flip(2))  # theirs saw L-A-S
    torch.testing.assert_close(model.networks.encode_semantic(x), y, rtol=1e-4, atol=1e-5)
    weight, mean, std = (
        torch.load(folder / "classifier.pth", weights_only=True)["weight"],
        *(torch.load(folder / name, weights_only=True) for name in ("mean.pt", "std.pt")),
    )
    logit_cn = (((y - mean) / std).double() @ weight[0].double()).numpy()
    scored = model.facts.probes["ad"].score(y.numpy().astype(float))
    np.testing.assert_allclose(sigmoid(scored), 1 - sigmoid(logit_cn), rtol=1e-4)
    assert sorted(model.facts.probes) == ["ad"]


def test_a_raw_scan_goes_through_it(published, model_folder, tmp_path):
    """What is said of it is what the authors' encoder and classifier say of the volume as they would have read it."""
    folder, _, encoder, _ = published
    raw, out = tmp_path / "sub-01_T1w.nii.gz", tmp_path / "out"
    nib.save(small_head(), raw)
    assert main(["apply", str(model_folder), str(raw), "--out", str(out)]) == 0
    volume = torch.from_numpy(LDAE.load(model_folder).preprocess(raw, out).volume)[None, None]  # what lies there
    with torch.no_grad():
        y = encoder(volume.flip(2)).double()  # L-A-S
    codes = read_tsv(out / "codes.tsv").filter(like="y_sem_").to_numpy()
    np.testing.assert_allclose(codes, y.numpy(), rtol=1e-3, atol=1e-5)
    weight, mean, std = (
        torch.load(folder / "classifier.pth", weights_only=True)["weight"][0].double(),
        *(torch.load(folder / name, weights_only=True).double() for name in ("mean.pt", "std.pt")),
    )
    of_ad = 1 - torch.sigmoid(((y - mean) / std) @ weight)
    assert read_tsv(out / "predictions.tsv")["probability_ad"][0] == pytest.approx(float(of_ad), rel=1e-3)
    row = read_tsv(out / "predictions.tsv").iloc[0]
    assert row["status"] == "unknown"  # whose scans the networks saw is not known
    assert 0 < row["probability_ad"] < 1 and row[["age", "age_low", "code_distance", "percentile"]].isna().all()
    assert row["image_error"] > 0
    grid = nib.load(next(out.rglob("*desc-reconstruction_T1w.nii.gz"))).affine
    assert np.allclose(grid, grid_affine(LDAE.load(model_folder).facts.recipe.preprocessing.conform))


def test_half_precision_and_safetensors_give_the_same_folder_but_for_rounding(published, model_folder, tmp_path):
    folder = in_half(published[0], tmp_path / "half")
    files = ["--autoencoder", "autoencoder.safetensors", *FILES[2:], *PROBE]
    assert imported(folder, tmp_path / "model", *files, "--spacing-mm", "3.5", "--scale-factor", "0.9") == 0
    for stage in ("autoencoder", "diffusion", "representation"):
        whole, half = (load_file(place / stage / "model.safetensors") for place in (model_folder, tmp_path / "model"))
        assert whole.keys() == half.keys()
        for name, tensor in half.items():
            assert tensor.dtype == whole[name].dtype
            torch.testing.assert_close(tensor, whole[name], rtol=1e-3, atol=1e-4)
    assert main(["verify-model", str(tmp_path / "model")]) == 0


REFUSED = {
    "representation is missing": [*FILES[:2], "--unet", "unet.ckpt"],
    "autoencoder is missing": FILES[2:],
    "--plain converts files by themselves": [*FILES, "--plain", "unet.ckpt"],
    "The probe of ad is of codes of 6 numbers": [*FILES, "--probe", "six.pth", "six.pt", "six.pt"],
}


@pytest.mark.parametrize("said", REFUSED)
def test_what_is_no_whole_model_is_refused_and_nothing_is_written(published, tmp_path, capsys, said):
    folder = published[0]
    torch.save({"weight": torch.ones(1, 6), "bias": torch.zeros(1)}, folder / "six.pth")
    torch.save(torch.ones(6), folder / "six.pt")
    assert imported(folder, tmp_path / "model", *REFUSED[said]) == 1
    assert said in capsys.readouterr().err and not list(tmp_path.iterdir())


def test_what_is_there_stays(published, model_folder, capsys):
    before = read_json(model_folder / "config.json")
    assert imported(published[0], model_folder, *FILES) == 1
    assert "is there already and stays" in capsys.readouterr().err
    assert read_json(model_folder / "config.json") == before


def test_the_folder_says_the_weights_of_the_same_import_into_results(published, model_folder, tmp_path):
    assert run(published[0], tmp_path, *FILES, "--spacing-mm", "3.5", "--scale-factor", "0.9") == 0
    for stage in ("autoencoder", "diffusion", "representation"):
        ours, theirs = (read_json(place / stage / "model.json") for place in (tmp_path, model_folder))
        assert ours["digest"] == theirs["digest"] and ours["imported"] == theirs["imported"]
