"""The three stages and the codes, end to end on eight small volumes."""

import json
import shutil
import signal
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

from ldae import config
from ldae.core.errors import Interrupted, UserError
from ldae.core.files import read_tsv, sha256_file
from ldae.core.keyed import Draw
from ldae.core.store import open_store, write_store
from ldae.inference.encode import encode_codes, encode_solver_codes
from ldae.inference.latents import Moments, encode_latents
from ldae.inference.model_folder import Outcome, load_autoencoder, read_model, write_model
from ldae.inference.pipeline import LDAE, CodeKey
from ldae.inference.readers import Latents, Volumes
from ldae.training.run import train_autoencoder, train_diffusion, train_representation
from ldae.training.stages.autoencoder import AutoencoderStage

TRAINING = {"steps": 4, "batch": 2, "micro_batch": 1, "learning_rate": 1e-3, "validate_every": 2}
AUTOENCODER = config.Autoencoder(
    patch=2,
    channels=[8, 8],
    latent_channels=2,
    res_blocks=1,
    norm_groups=4,
    discriminator=config.Discriminator(channels=4, layers=1),
    training=TRAINING,
)
DIFFUSION = config.Diffusion(
    channels=8,
    multipliers=[1, 2],
    res_blocks=1,
    attention_factors=[2],
    norm_groups=4,
    training=TRAINING | {"ema_decay": 0.9},
)
REPRESENTATION = config.Representation(
    backbone="test_convnext",
    dimension=8,
    heads=2,
    slice_step=8,
    drop_path=0.1,
    training=TRAINING | {"ema_decay": 0.9},
)
METHOD, SAMPLING = config.Method(), config.Sampling(steps=3)
SIZE = (32, 32, 32)


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    """A volume store of eight scans of four subjects, and their splits."""
    folder = tmp_path_factory.mktemp("cohort")
    rng = np.random.default_rng(0)
    volumes = (rng.random((8, *SIZE)) * 255).astype(np.uint8)
    names = [f"sub-{i // 2}" for i in range(8)]
    index = pd.DataFrame({"participant_id": names, "session_id": [f"ses-M{i % 2:03d}" for i in range(8)]})
    write_store(folder / "volumes", volumes, index, dtype="uint8")
    splits = pd.DataFrame({"participant_id": sorted(set(names)), "split": ["train", "train", "validation", "test"]})
    splits.to_csv(folder / "splits.tsv", sep="\t", index=False)
    return folder


def train_all(cohort, out):
    volumes, splits, models = cohort / "volumes", cohort / "splits.tsv", out / "train"
    train_autoencoder(volumes, splits, models / "autoencoder", AUTOENCODER, 1)
    encode_latents(volumes, models / "autoencoder", splits, out / "latents", batch=3)
    train_diffusion(out / "latents", splits, models / "diffusion", DIFFUSION, METHOD, 1)
    chain = models / "autoencoder", models / "diffusion", models / "representation"
    train_representation(volumes, out / "latents", splits, *chain, REPRESENTATION, METHOD, 1)


@pytest.fixture(scope="module")
def trained(cohort, tmp_path_factory):
    out = tmp_path_factory.mktemp("trained")
    train_all(cohort, out)
    return out


@pytest.fixture(scope="module")
def ldae(trained):
    return LDAE.load(trained / "train", METHOD, SAMPLING)


def images(cohort, rows):
    return torch.from_numpy(open_store(cohort / "volumes").volumes(rows))[:, None]


def test_outputs_are_written_and_checkpoints_dropped(trained):
    for stage in ("autoencoder", "diffusion", "representation"):
        names = sorted(path.name for path in (trained / "train" / stage).iterdir())
        noted = ["scale_factor.json"] if stage == "autoencoder" else []
        assert names == ["checkpoints", "metrics.jsonl", "model.json", "model.safetensors", *noted, "scans.tsv"]
        left = {path.name for path in (trained / "train" / stage / "checkpoints").iterdir()}
        assert left == {".lock", "delivered", "live.jsonl", "pictures"}
        pictures = (trained / "train" / stage / "checkpoints/pictures").iterdir()
        assert sorted(path.name for path in pictures) == ["step-00000002.png", "step-00000004.png"]
    description = json.loads((trained / "train" / "autoencoder" / "model.json").read_text())
    assert description["perceptual"] == "absent: no weights given"
    assert description["scans"] == 4


def test_a_second_run_gives_the_same_bytes(cohort, trained, tmp_path):
    train_all(cohort, tmp_path)
    for stage in ("autoencoder", "diffusion", "representation"):
        for name in ("model.safetensors", "model.json", "metrics.jsonl"):
            first, second = (root / "train" / stage / name for root in (trained, tmp_path))
            assert sha256_file(first) == sha256_file(second), f"{stage}/{name}"


def test_any_number_of_threads_gives_the_same_bytes(cohort, trained, tmp_path):
    """The last bits of a sum depend on it: every training and encoding sets its own."""
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(before + 1)
        train_all(cohort, tmp_path)
        assert torch.get_num_threads() == before + 1  # as it was found
    finally:
        torch.set_num_threads(before)
    for stage in ("autoencoder", "diffusion", "representation"):
        more, fewer = (sha256_file(root / "train" / stage / "model.safetensors") for root in (tmp_path, trained))
        assert more == fewer, stage


def test_a_stopped_autoencoder_continues_to_the_same_bytes(cohort, trained, tmp_path, monkeypatch):
    """Two optimizers and batch normalisation included."""
    backward, calls = AutoencoderStage.backward, []

    def stopping(stage, draws, share):
        calls.append(draws)
        if len(calls) == 5:
            signal.raise_signal(signal.SIGUSR1)
        return backward(stage, draws, share)

    arguments = cohort / "volumes", cohort / "splits.tsv", tmp_path, AUTOENCODER, 1
    monkeypatch.setattr(AutoencoderStage, "backward", stopping)
    with pytest.raises(Interrupted, match="SIGUSR1"):
        train_autoencoder(*arguments)
    train_autoencoder(*arguments)
    assert len(calls) == 8
    assert sha256_file(tmp_path / "model.safetensors") == sha256_file(trained / "train/autoencoder/model.safetensors")


def test_a_checkpoint_of_other_data_is_refused_by_name(cohort, tmp_path, monkeypatch):
    backward = AutoencoderStage.backward

    def stopping(stage, draws, share):
        signal.raise_signal(signal.SIGTERM)
        return backward(stage, draws, share)

    monkeypatch.setattr(AutoencoderStage, "backward", stopping)
    with pytest.raises(Interrupted):
        train_autoencoder(cohort / "volumes", cohort / "splits.tsv", tmp_path, AUTOENCODER, 1)
    monkeypatch.undo()
    other = pd.read_csv(cohort / "splits.tsv", sep="\t").replace("validation", "train").replace("test", "validation")
    other.to_csv(tmp_path / "splits.tsv", sep="\t", index=False)
    with pytest.raises(UserError, match=r"2 added .*, 2 changed .*ldae fresh"):
        train_autoencoder(cohort / "volumes", tmp_path / "splits.tsv", tmp_path, AUTOENCODER, 1)


def test_the_discriminator_gets_no_gradient_of_the_generators_loss(cohort):
    """With weight 0 on its own loss the discriminator's gradient is exactly zero."""
    store = open_store(cohort / "volumes")
    training = Volumes(store, np.arange(4), torch.device("cpu"))
    stage = AutoencoderStage(AUTOENCODER, training, training, 1)
    x = training[[0]]
    mu, sigma = stage.product.encode(x)
    terms = stage._generator_terms(x, stage.product.decode(mu), mu, sigma)
    terms["adversarial"].backward()
    assert all(parameter.grad is None for parameter in stage.discriminator.parameters())
    assert all(parameter.requires_grad for parameter in stage.discriminator.parameters())
    losses = stage.backward([Draw(0, (1, "autoencoder", 0, 0))], 1.0)
    assert sorted(losses) == ["adversarial", "discriminator", "kl", "l1"]
    assert any(parameter.grad is not None for parameter in stage.discriminator.parameters())


def test_the_scale_factor_makes_training_latents_unit(cohort, trained):
    store = open_store(trained / "latents")
    mu, sigma = store.volumes(np.arange(4)).swapaxes(0, 1)
    noise = np.random.default_rng(0).standard_normal((200, *mu.shape))
    spread = np.std(mu + sigma * noise) * store.meta["scale_factor"]
    assert abs(spread - 1) < 0.01
    x = images(cohort, [2, 6])
    network = load_autoencoder(trained / "train" / "autoencoder").network
    with torch.no_grad():
        torch.testing.assert_close(
            network.encode(x)[0], torch.from_numpy(store.volumes([2, 6])[:, 0]), atol=1e-5, rtol=1e-4
        )


def test_moments_add_up():
    moments = Moments()
    latents = np.random.default_rng(1).normal(3, 2, (5, 2, 10))
    for latent in latents:
        moments.add(latent)
    expected = 1 / np.sqrt(latents[:, 0].var() + np.square(latents[:, 1]).mean())
    assert moments.scale_factor() == pytest.approx(expected)


def test_moments_know_what_lies_between_scans():
    latents = np.random.default_rng(1).normal(3, 2, (5, 2, 10))
    same, mixed = Moments(), Moments()
    for latent in latents:
        same.add(np.stack([latents[0, 0], latent[1]]))
        mixed.add(latent)
    whole = latents[:, 0].var() + np.square(latents[:, 1]).mean()
    assert mixed.between_scans() == pytest.approx(latents[:, 0].var(axis=0).mean() / whole)
    assert same.between_scans() == pytest.approx(0, abs=1e-12)
    single = Moments()
    single.add(latents[0])
    assert single.between_scans() is None


def spoiled(trained, out, stage, change, settings):
    """The model of a stage with other weights, as it would have been delivered."""
    model = read_model(trained / "train" / stage)
    own = {"stage", "settings", "seed", "step", "digest", "versions"}
    more = {name: value for name, value in model.description.items() if name not in own}
    weights = {name: change(name, weight) for name, weight in model.weights.items()}
    write_model(out / stage, Outcome(weights, 4, []), stage, settings, 1, **more)
    return out / stage


def test_a_collapsed_posterior_is_said_and_a_living_one_is_not(cohort, trained, tmp_path, caplog):
    def dead(name, weight):
        """Means of zero, and a spread at the smallest that the network allows."""
        if "quant_conv_log_sigma" in name:
            return torch.full_like(weight, -40.0) if name.endswith("bias") else torch.zeros_like(weight)
        return torch.zeros_like(weight) if "quant_conv_mu" in name else weight

    assert open_store(trained / "latents").meta["between_scans"] > 0.01
    model = spoiled(trained, tmp_path, "autoencoder", dead, AUTOENCODER)
    with caplog.at_level("WARNING", logger="ldae"):
        encode_latents(cohort / "volumes", model, cohort / "splits.tsv", tmp_path / "latents")
    meta = open_store(tmp_path / "latents").meta
    assert meta["between_scans"] == 0 and meta["scale_factor"] > 1e6
    assert "Stage 1 has collapsed: 0 of the variance of its latents lies between scans" in caplog.text


def test_an_autoencoder_that_makes_no_numbers_is_one_sentence(cohort, trained, tmp_path):
    def broken(name, weight):
        return torch.full_like(weight, float("nan")) if "quant_conv_mu" in name else weight

    model = spoiled(trained, tmp_path, "autoencoder", broken, AUTOENCODER)
    with pytest.raises(UserError, match=r"makes latents of sub-0_ses-M000 that are not finite.*ldae fresh"):
        encode_latents(cohort / "volumes", model, cohort / "splits.tsv", tmp_path / "latents")
    assert not (tmp_path / "latents").exists()


def test_latents_of_an_earlier_version_with_no_numbers_are_refused(cohort, trained, tmp_path):
    store = open_store(trained / "latents")
    values = np.array(store.data)
    values[2, 0, 0, 1, 2, 3] = np.inf
    other = replace(store, data=values)
    assert len(Latents(other, np.array([0, 1, 3]), torch.device("cpu"))) == 3
    with pytest.raises(UserError, match=r"holds NaN or infinity for sub-1_ses-M000 \(1 such scans\)"):
        Latents(other, np.arange(4), torch.device("cpu"))


def test_a_collapsed_encoder_is_said(cohort, trained, tmp_path, caplog):
    def same(name, weight):
        return torch.zeros_like(weight) if name == "encoder.pooling.norm.weight" else weight

    shutil.copytree(trained / "train", tmp_path / "train")
    spoiled(trained, tmp_path / "train", "representation", same, REPRESENTATION)
    paths = cohort / "volumes", trained / "latents", cohort / "splits.tsv", tmp_path / "train"
    with caplog.at_level("WARNING", logger="ldae"):
        encode_codes(*paths, tmp_path / "codes", METHOD, SAMPLING, 2)
    assert "The semantic encoder has collapsed: y_sem is the same for every scan" in caplog.text


def test_a_latent_store_of_another_autoencoder_is_refused(cohort, trained, tmp_path):
    store = open_store(trained / "latents")
    write_store(tmp_path, store.data, store.index, **(store.meta | {"autoencoder": "0123456789abcdef"}))
    chain = (trained / "train" / stage for stage in ("autoencoder", "diffusion"))
    with pytest.raises(UserError, match="made by another autoencoder"):
        train_representation(
            cohort / "volumes", tmp_path, cohort / "splits.tsv", *chain, tmp_path / "out", REPRESENTATION, METHOD, 1
        )


def test_pipeline_shapes_and_scaling(cohort, ldae):
    x = images(cohort, [6, 7])
    z = ldae.encode_latent(x)
    assert tuple(z.shape[1:]) == ldae.latent_shape == (2, 8, 8, 8)
    torch.testing.assert_close(ldae.decode_latent(z), ldae.autoencode(x), rtol=1e-4, atol=1e-5)
    assert ldae.encode_semantic(x).shape == (2, 8)
    assert not ldae.encode_semantic(x).requires_grad


def test_pipeline_noise_is_fixed_by_name(ldae):
    pair = ldae.noise(["sub-1_ses-M000", "sub-2_ses-M000"], 1)
    assert torch.equal(pair[1:], ldae.noise(["sub-2_ses-M000"], 1))
    assert not torch.equal(pair[1:], ldae.noise(["sub-2_ses-M000"], 2))
    assert pair.std().item() == pytest.approx(1, abs=0.05)


def test_inversion_and_sampling_are_inverse_to_first_order(cohort, ldae):
    finer = ldae.with_sampling("ddim", 60)
    x = images(cohort, [6])
    z, y = finer.encode_latent(x), finer.encode_semantic(x)
    for code in (y, None):
        back = finer.sample(finer.invert(z, code), code)
        assert (back - z).norm() / z.norm() < 0.1
    assert ldae.sampling.steps == 3


def test_codes(cohort, trained, tmp_path):
    encode_codes(
        cohort / "volumes", trained / "latents", cohort / "splits.tsv", trained / "train", tmp_path, METHOD, SAMPLING, 2
    )
    ldae = LDAE.load(trained / "train", METHOD, SAMPLING)
    y_sem, x_T = open_store(tmp_path / "y_sem"), open_store(tmp_path / "x_T")
    assert y_sem.data.shape == (8, 8)
    assert list(x_T.index["participant_id"]) == ["sub-3", "sub-3"]
    assert x_T.meta["conditional"] is True
    assert x_T.meta["model"] == ldae.digest
    x = images(cohort, [6, 7])
    expected = ldae.invert(ldae.encode_latent(x), ldae.encode_semantic(x))
    torch.testing.assert_close(torch.from_numpy(x_T.volumes([0, 1])), expected, rtol=1e-3, atol=1e-3)
    assert not np.allclose(open_store(tmp_path / "x_T_unconditional").data, x_T.data)
    assert not np.allclose(open_store(tmp_path / "y_sem_untrained").data, y_sem.data)


def test_x_T_of_further_solvers_are_made_once_and_asked_for_by_their_key(cohort, trained, tmp_path):
    paths = (cohort / "volumes", trained / "latents", cohort / "splits.tsv", trained / "train", tmp_path / "codes")
    encode_codes(*paths, METHOD, SAMPLING, 2)
    wanted = [SAMPLING, SAMPLING.model_copy(update={"steps": 2})]
    encode_solver_codes(*paths, METHOD, SAMPLING, wanted, 2)
    listed = read_tsv(tmp_path / "codes/x_T_solvers.tsv")
    assert listed["store"].tolist() == ["x_T_ddim-2", "x_T_unconditional_ddim-2"]  # the main one is there already
    ldae = LDAE.load(trained / "train", METHOD, SAMPLING)
    key = CodeKey.of(ldae.with_sampling("ddim", 2), conditional=True)
    store = open_store(tmp_path / "codes" / key.name)
    x = images(cohort, [6, 7])
    expected = ldae.with_sampling("ddim", 2).invert(ldae.encode_latent(x), ldae.encode_semantic(x))
    torch.testing.assert_close(torch.from_numpy(store.volumes([0, 1])), expected, rtol=1e-3, atol=1e-3)
    assert key.matches(store.meta) and not CodeKey.of(ldae, conditional=True).matches(store.meta)
    assert not CodeKey.of(ldae.with_sampling("ddim", 2), conditional=False).matches(store.meta)
    made = (tmp_path / "codes" / key.name / "store.json").stat().st_mtime_ns
    encode_solver_codes(*paths, METHOD, SAMPLING, wanted, 2)
    assert (tmp_path / "codes" / key.name / "store.json").stat().st_mtime_ns == made
    clamped = METHOD.model_copy(update={"clamp_z0": True})
    encode_solver_codes(*paths, clamped, SAMPLING, wanted, 2)
    assert (tmp_path / "codes" / key.name / "store.json").stat().st_mtime_ns > made


def test_untrained_pipeline_has_an_estimator_that_adds_nothing(cohort, trained):
    untrained = LDAE.load(trained / "train", METHOD, SAMPLING, trained_encoder=False)
    x = images(cohort, [6])
    x_T = untrained.noise(["a"], 1)
    assert torch.equal(untrained.sample(x_T, untrained.encode_semantic(x)), untrained.sample(x_T, None))


def test_changed_weights_are_refused(trained, tmp_path):
    shutil.copytree(trained / "train", tmp_path / "train")
    other = tmp_path / "train" / "diffusion" / "model.safetensors"
    other.write_bytes((tmp_path / "train" / "autoencoder" / "model.safetensors").read_bytes())
    with pytest.raises(UserError, match="train that stage again"):
        LDAE.load(tmp_path / "train", METHOD, SAMPLING)
