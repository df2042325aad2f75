"""``ldae import-weights``: published weights become models of this workflow, and nothing in a pickle is run."""

import json
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from published import run, write_published

from ldae import cli, config
from ldae.core.errors import UserError
from ldae.core.lineage import read_description, require_chain
from ldae.inference.foreign_weights import read_network, read_state_dict
from ldae.inference.model_folder import load_unet
from ldae.inference.pipeline import LDAE
from ldae.inference.probe import Probe
from ldae.networks.weights import load_weights


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    return write_published(tmp_path_factory.mktemp("published"))


def same_weights(ours, theirs):
    state, expected = ours.state_dict(), theirs.state_dict()
    assert state.keys() == expected.keys()
    assert all(torch.equal(state[name], expected[name]) for name in expected)


def test_the_whole_published_model_becomes_one_ldae(published, tmp_path):
    folder, autoencoder, encoder, estimator = published
    files = ["--autoencoder", "autoencoder.pth", "--encoder", "encoder.ckpt", "--estimator", "estimator.ckpt"]
    assert run(folder, tmp_path, *files) == 0
    ldae = LDAE.load(tmp_path, config.Method(), config.Sampling(steps=2))
    assert ldae.scale_factor == 0.873
    for ours, theirs in ((ldae.autoencoder, autoencoder), (ldae.encoder, encoder), (ldae.estimator, estimator)):
        same_weights(ours, theirs)
    x, t = torch.rand(2, 1, 32, 32, 32), torch.tensor([10, 900])
    with torch.no_grad():
        z, y = autoencoder.encode(x.flip(2))[0], encoder(x.flip(2))  # theirs saw L-A-S
        torch.testing.assert_close(ldae.autoencoder.encode(x)[0], z)
        torch.testing.assert_close(ldae.encode_semantic(x), y, rtol=1e-4, atol=1e-5)
        for ours, theirs in zip(ldae.estimator(z, t, y), estimator(z, t, y), strict=True):
            torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)
    assert not list(tmp_path.rglob("*.p*"))
    assert read_description(tmp_path / "representation")["imported"].keys() == {"encoder.ckpt", "estimator.ckpt"}


def test_the_unet_alone_keeps_the_resampling_it_was_trained_with(published, tmp_path):
    folder, *_, estimator = published
    assert run(folder, tmp_path, "--unet", "unet.ckpt") == 0
    model = load_unet(tmp_path / "diffusion")
    same_weights(model.network, estimator.trunk)
    z, t = torch.randn(1, 3, 16, 16, 16), torch.tensor([5])
    with torch.no_grad():
        torch.testing.assert_close(model.network(z, t), estimator.trunk(z, t), rtol=1e-4, atol=1e-5)
    assert model.description["settings"]["resample"] == "in_plane"
    require_chain({"diffusion": model.description, "autoencoder": {"digest": "any: nobody knows", "inputs": {}}})
    with pytest.raises(UserError, match=r"diffusion was trained with another model than autoencoder: a found, b exp"):
        require_chain({"diffusion": {"inputs": {"autoencoder": "a"}}, "autoencoder": {"digest": "b", "inputs": {}}})


def test_a_file_of_another_network_is_named(published, tmp_path, capsys):
    folder, *_ = published
    assert run(folder, tmp_path, "--unet", "autoencoder.pth") == 1
    assert "time_embed.0.weight" in capsys.readouterr().err
    assert run(folder, tmp_path, "--encoder", "encoder.ckpt") == 1
    assert "together" in capsys.readouterr().err
    state = torch.load(folder / "unet.ckpt", weights_only=True)["state_dict"]
    torch.save(state | {"ema_unet.more": torch.zeros(1)}, tmp_path / "more.ckpt")
    assert run(folder, tmp_path, "--unet", str(tmp_path / "more.ckpt")) == 1
    assert "1 left over (more" in capsys.readouterr().err
    state["ema_unet.out.2.bias"] = torch.zeros(4)
    torch.save(state, tmp_path / "shape.ckpt")
    assert run(folder, tmp_path, "--unet", str(tmp_path / "shape.ckpt")) == 1
    assert "up.conv_out.bias has shape (4,)" in capsys.readouterr().err
    assert not (tmp_path / "diffusion").exists()


@pytest.mark.parametrize(
    "refused", [["--unet", "autoencoder.pth"], ["--plain", "none.pt"], ["--probe", *3 * ["no.pt"]]]
)
def test_nothing_is_written_before_every_file_has_been_read(published, tmp_path, refused):
    folder, *_ = published
    plain = [] if "--plain" in refused else ["--plain", "unet.ckpt"]
    assert run(folder, tmp_path / "out", "--autoencoder", "autoencoder.pth", *plain, *refused) == 1
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def saved(folder, content):
    torch.save(content, folder / "some.ckpt")
    return folder / "some.ckpt"


def unet_in(folder, content):
    """What is imported from a file with one tensor of a latent UNet in several places, and from where."""
    state, prefix = read_network(saved(folder, content), "time_embed.0.weight")
    return state["time_embed.0.weight"].item(), prefix


RAW, AVERAGE = ({"time_embed.0.weight": torch.tensor([value])} for value in (1.0, 2.0))


def under(prefix, state):
    return {prefix + name: value for name, value in state.items()}


MOMENTS = {"state": {0: {"exp_avg": torch.zeros(1)}}}
COUNT = {"n_averaged": torch.ones(1)}


@pytest.mark.parametrize(
    ("content", "chosen"),
    [
        (under("semantic_unet.", RAW) | under("shadow.", AVERAGE), "shadow."),  # there is an "ema" in semantic
        (under("schema.", RAW) | under("ema_unet.", AVERAGE), "ema_unet."),
        (RAW | under("EMA.", AVERAGE), "EMA."),
        ({"model": RAW, "ema": AVERAGE}, "ema."),
        ({"decoder": RAW, "ema_decoder": AVERAGE, "optimizer": MOMENTS}, "ema_decoder."),
        ({"state_dict": RAW, "state_dict_ema": AVERAGE}, "state_dict_ema."),
        ({"state_dict": RAW, "callbacks": {"Mean": {"ema_state_dict": AVERAGE}}}, "callbacks.Mean.ema_state_dict."),
        ({"state_dict": AVERAGE, "current_model_state": RAW, "averaging_state": COUNT}, "state_dict."),  # Lightning
        ({"ema": under("online_model.", RAW) | under("ema_model.", AVERAGE)}, "ema.ema_model."),
        (AVERAGE | under("shift_", RAW) | {"optimizer": MOMENTS}, ""),
    ],
)
def test_the_moving_average_is_found_by_whole_parts_of_names(tmp_path, content, chosen):
    assert unet_in(tmp_path, content) == (2.0, chosen)


def test_two_candidates_are_refused_and_named(tmp_path):
    for content in ({"a": RAW, "b": AVERAGE}, {"shadow": RAW, "ema": AVERAGE}, {"semantic": RAW, "other": AVERAGE}):
        with pytest.raises(UserError, match=r"2 times \(\w+\., \w+\.\); keep one"):
            unet_in(tmp_path, content)
    with pytest.raises(UserError, match="several sets of tensors"):
        read_state_dict(saved(tmp_path, {"a": RAW, "b": AVERAGE}))


def test_a_plain_conversion_takes_the_average_too(tmp_path):
    path = saved(tmp_path, {"model": RAW, "ema": AVERAGE, "optimizer": MOMENTS})
    assert read_state_dict(path) == AVERAGE
    itself = {"model": AVERAGE}
    itself["again"] = itself
    assert read_state_dict(saved(tmp_path, itself)) == AVERAGE


def test_the_nested_checkpoint_of_pdae_is_one_file_for_both_networks(published, tmp_path, caplog):
    """Encoder and estimator, raw and averaged, in dictionaries; what was chosen is said and kept."""
    folder, _, encoder, estimator = published
    encoded = torch.load(folder / "encoder.ckpt", weights_only=True)["state_dict"]
    estimated = torch.load(folder / "estimator.ckpt", weights_only=True)["state_dict"]
    parts = {"encoder": {}, "ema_encoder": {}, "decoder": {}, "ema_decoder": {}, "step": 7}
    for name, value in (encoded | estimated).items():
        part, rest = name.split(".", 1)
        parts[part][rest] = value
    parts["encoder"] = {name: value + 1 for name, value in parts["ema_encoder"].items()}
    path = str(saved(tmp_path, parts))
    with caplog.at_level("INFO"):
        assert run(folder, tmp_path, "--autoencoder", "autoencoder.pth", "--encoder", path, "--estimator", path) == 0
    assert "under ema_decoder., a moving average; also there, not used: decoder." in caplog.text
    ldae = LDAE.load(tmp_path, config.Method(), config.Sampling(steps=2))
    same_weights(ldae.encoder, encoder)
    same_weights(ldae.estimator, estimator)
    chosen = read_description(tmp_path / "representation")["chosen"]
    assert chosen == {"estimator": "ema_decoder.", "encoder": "ema_encoder."}


@pytest.fixture(params=["MONAI's own class is allowed", "nothing is allowed"])
def allowed(request):
    """Importing MONAI allows its class in PyTorch; a process that has not imported it must read the same."""
    before = torch.serialization.get_safe_globals()
    if request.param == "nothing is allowed":
        torch.serialization.clear_safe_globals()
    yield
    torch.serialization.add_safe_globals(before)


def test_objects_of_known_packages_are_left_out_and_tensors_of_monai_are_tensors(tmp_path, allowed):
    """A Lightning checkpoint after batches of MONAI's MetaTensors: a callback's score is one, and so may weights be."""
    from argparse import Namespace

    from monai.data import MetaTensor, list_data_collate

    items = [{"image": MetaTensor(torch.full((1, 2, 2, 2), 3.0), affine=torch.eye(4))} for _ in range(2)]
    image = list_data_collate(items)["image"]
    settings = Namespace(rate=np.float64(1e-3), files=[Path("somewhere")])
    callbacks = {"ModelCheckpoint": {"best_model_score": image.square().mean()}}
    content = {"state_dict": {"weight": image}, "callbacks": callbacks, "hyper_parameters": settings}
    state = read_state_dict(saved(tmp_path, content))
    assert type(state["weight"]) is torch.Tensor
    assert torch.equal(state["weight"], torch.full((2, 1, 2, 2, 2), 3.0))
    out = tmp_path / "some.safetensors"
    assert cli.main(["import-weights", "--out", str(tmp_path), "--plain", str(tmp_path / "some.ckpt")]) == 0
    assert torch.equal(load_weights(out)["weight"], state["weight"])


class Bomb:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


@pytest.mark.parametrize("zipped", [True, False])
def test_a_pickle_that_runs_code_is_refused_unopened(published, tmp_path, capsys, zipped):
    folder, *_ = published
    bomb, fired = tmp_path / "bomb.ckpt", tmp_path / "fired"
    torch.save({"state_dict": {}, "hyper_parameters": Bomb(fired)}, bomb, _use_new_zipfile_serialization=zipped)
    with pytest.raises(UserError, match=r"is refused.*getattr"):
        read_state_dict(bomb)
    bomb.write_bytes(pickle.dumps(Bomb(fired)))
    assert run(folder, tmp_path, "--unet", str(bomb)) == 1
    assert "is refused" in capsys.readouterr().err
    assert not fired.exists()
    bomb.write_bytes(b"PK\x03\x04 no zip")
    with pytest.raises(UserError, match="is refused"):
        read_state_dict(bomb)


def test_the_probe_is_turned_to_ad_positive(tmp_path):
    """Theirs gives the logit of CN on standardised codes; ours that of AD."""
    rng = torch.Generator().manual_seed(0)
    weight, mean = torch.randn(1, 6, generator=rng), torch.randn(6, generator=rng)
    std, bias = torch.rand(6, generator=rng) + 0.5, torch.tensor([0.3])
    torch.save({"weight": weight, "bias": bias}, tmp_path / "classifier.ckpt")
    torch.save(mean, tmp_path / "mean.pt")
    torch.save(std, tmp_path / "std.pt")
    files = [str(tmp_path / name) for name in ("classifier.ckpt", "mean.pt", "std.pt")]
    assert cli.main(["import-weights", "--out", str(tmp_path), "--probe", *files]) == 0
    content = json.loads((tmp_path / "probe_ad.json").read_text())
    assert content["positive"] == "AD"
    y = torch.randn(4, 6, generator=rng)
    logit_cn = ((y - mean) / std) @ weight[0] + bias
    np.testing.assert_allclose(Probe.from_json(content).score(y.numpy()), -logit_cn.numpy(), rtol=1e-5, atol=1e-6)
    before = (tmp_path / "probe_ad.json").read_bytes()
    for other in (std * 2, torch.zeros(5)):
        torch.save(other, tmp_path / "std.pt")
        assert cli.main(["import-weights", "--out", str(tmp_path), "--probe", *files]) == 1
        assert (tmp_path / "probe_ad.json").read_bytes() == before


def test_two_plain_files_of_one_name_are_refused_before_either_is_written(tmp_path: Path, capsys) -> None:
    paths = [tmp_path / name / "w.pt" for name in ("a", "b")]
    for value, path in enumerate(paths):
        path.parent.mkdir()
        torch.save({"weight": torch.full((2,), float(value))}, path)
    assert cli.main(["import-weights", "--out", str(tmp_path / "out"), "--plain", *map(str, paths)]) == 1
    assert f"{paths[0]} and {paths[1]} would both become w.safetensors" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_conversion_replaces_no_other_file(tmp_path: Path, capsys) -> None:
    torch.save({"weight": torch.ones(2)}, tmp_path / "w.pt")
    command = ["import-weights", "--out", str(tmp_path / "out"), "--plain", str(tmp_path / "w.pt")]
    assert [cli.main(command), cli.main(command)] == [0, 0]
    before = (tmp_path / "out/w.safetensors").read_bytes()
    torch.save({"weight": torch.zeros(2)}, tmp_path / "w.pt")
    assert cli.main(command) == 1
    assert "w.safetensors is there and holds something else, so it stays" in capsys.readouterr().err
    assert (tmp_path / "out/w.safetensors").read_bytes() == before
