"""What each switch of the method changes, measured where the answer is known."""

import numpy as np
import pandas as pd
import pytest
import torch
from tiny_chain import AUTOENCODER, DIFFUSION, REPRESENTATION, TRAINING
from torch import nn

from ldae import config
from ldae.core.keyed import Draw
from ldae.core.store import open_store
from ldae.inference import latents
from ldae.inference.encode import encode_codes
from ldae.inference.latents import encode_latents
from ldae.inference.model_folder import load_autoencoder, load_unet
from ldae.inference.pipeline import LDAE
from ldae.inference.probe import Probe, step_to
from ldae.inference.readers import Latents, Volumes, keyed_noise
from ldae.studies.common.linear_probes import fit_with_penalty, subject_folds
from ldae.studies.manipulation.directions import paper_step
from ldae.studies.probes.estimates import AD_METRICS, CN_METRICS
from ldae.studies.probes.measure import probe_groups
from ldae.training.stages import representation as stage_representation
from ldae.training.stages.autoencoder import AutoencoderStage
from ldae.training.stages.representation import RepresentationStage
from ldae.training.trainer import Trainer, moving_average

CPU = torch.device("cpu")


# stage 1


@pytest.mark.parametrize(("gradients", "leaks"), [("clean", False), ("leaked", True)])
def test_the_generators_loss_reaches_the_discriminator_only_when_leaked(chain, gradients, leaks):
    """Before its own loss: gradient norm 0 or above; and the gradient it steps with is the sum of both."""
    discriminator = AUTOENCODER.discriminator.model_copy(update={"gradients": gradients})
    settings = AUTOENCODER.model_copy(update={"discriminator": discriminator})
    volumes = Volumes(open_store(chain.volumes), np.arange(4), CPU)
    stage = AutoencoderStage(settings, volumes, volumes, 1)
    x = volumes[[0]]
    mu, sigma = stage.product.encode(x)
    terms = stage._generator_terms(x, stage.product.decode(mu), mu, sigma)
    terms["adversarial"].backward()
    norms = [0.0 if p.grad is None else float(p.grad.norm()) for p in stage.discriminator.parameters()]
    assert (max(norms) > 0) == leaks
    assert all(parameter.requires_grad for parameter in stage.discriminator.parameters())


def test_half_the_batch_takes_half_the_scans_per_step(chain):
    """Accumulation of 8 or 4 micro-batches of one scan: the gradient of a step is the mean over that many."""
    volumes = Volumes(open_store(chain.volumes), np.arange(4), CPU)
    for batch in (8, 4):
        training = config.Training(**(TRAINING | {"batch": batch}))
        stage = AutoencoderStage(AUTOENCODER.model_copy(update={"training": training}), volumes, volumes, 1)
        seen = []
        stage.backward = lambda draws, share, seen=seen: seen.append((len(draws), share)) or {}
        Trainer(stage, training, 1).advance()
        assert seen == [(1, 1 / batch)] * batch


# latents


def test_a_frozen_sample_is_the_same_at_every_step_and_is_neither_mean_nor_fresh(chain):
    latents = Latents(open_store(chain.latents), np.arange(4), CPU)
    steps = [[Draw(scan, (1, "diffusion", step, scan)) for scan in range(4)] for step in (0, 1)]
    drawn = {kind: [latents.draw(draws, kind) for draws in steps] for kind in ("sample", "mean", "frozen")}
    assert not torch.equal(*drawn["sample"])
    assert torch.equal(*drawn["frozen"])
    assert torch.equal(drawn["mean"][0], latents.mean)
    fresh = latents.mean + latents.spread * keyed_noise(steps[0], latents.shape, "posterior")
    torch.testing.assert_close(drawn["sample"][0], fresh)
    scaled = (drawn["frozen"][0] - latents.mean) / latents.spread
    assert scaled.std() == pytest.approx(1, abs=0.1)
    assert torch.equal(latents.evaluated([2], "frozen"), drawn["frozen"][0][2:3])
    assert torch.equal(latents.evaluated([2], "sample"), latents.mean[2:3])
    fewer = Latents(open_store(chain.latents), np.array([2]), CPU)  # fixed by the scan's name, not by its place
    assert torch.equal(fewer.evaluated([0], "frozen"), drawn["frozen"][0][2:3])


def test_frozen_samples_are_what_is_inverted_and_decoded(chain, tmp_path):
    sampling = config.Sampling(steps=3)
    codes = {}
    for kind in ("mean", "frozen"):
        method = config.Method(posterior=kind)
        encode_codes(chain.volumes, chain.latents, chain.splits, chain.train, tmp_path / kind, method, sampling)
        codes[kind] = open_store(tmp_path / kind / "x_T").data
    assert not np.allclose(codes["mean"], codes["frozen"])
    ldae = LDAE.load(chain.train, config.Method(posterior="frozen"), sampling)
    x, names = torch.from_numpy(open_store(chain.volumes).volumes([6]))[:, None], ["sub-3_ses-M000"]
    z = ldae.encode_latent(x, ldae.posterior_noise(names))
    stored = Latents(open_store(chain.latents), np.array([6]), CPU)
    torch.testing.assert_close(z, stored.evaluated([0], "frozen"), rtol=1e-4, atol=1e-5)
    assert LDAE.load(chain.train, config.Method(), sampling).posterior_noise(names) is None


def test_scale_factor_of_the_first_batch_is_that_of_its_scans(chain, tmp_path, monkeypatch):
    monkeypatch.setattr(latents, "FIRST_BATCH", 2)
    factors = {}
    for kind in ("training_split", "first_batch"):
        method = config.Method(scale_factor=kind)
        encode_latents(chain.volumes, chain.train / "autoencoder", chain.splits, tmp_path / kind, 1, method, 1)
        factors[kind] = open_store(tmp_path / kind)
    assert factors["training_split"].meta["scale_factor"] == open_store(chain.latents).meta["scale_factor"]
    mu, sigma = factors["first_batch"].volumes(np.arange(4)).swapaxes(0, 1).astype(np.float64)

    def factor(scans):
        return 1 / np.sqrt(mu[scans].var() + np.square(sigma[scans]).mean())

    pairs = [[a, b] for a in range(4) for b in range(a + 1, 4)]
    found = factors["first_batch"].meta["scale_factor"]
    assert any(found == pytest.approx(factor(pair), rel=1e-6) for pair in pairs)
    assert found != factors["training_split"].meta["scale_factor"]


# averages


class Pair(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder = nn.ModuleDict({"backbone": nn.Linear(2, 2), "head": nn.Linear(2, 2)})


@pytest.mark.parametrize(
    ("updates", "twice", "head", "backbone"),
    [(1, (), 0.999, 0.999), (4, (), 0.999**4, 0.999**4), (4, ("encoder.backbone.",), 0.999**4, 0.999**8)],
)
def test_decay_of_the_average(updates, twice, head, backbone):
    """From 1 towards 0, the average is the decay to the number of steps."""
    model = Pair().double()
    for parameter in model.parameters():
        nn.init.ones_(parameter)
    average = moving_average(model, 0.999, updates, twice)
    average.update_parameters(model)  # copies
    for parameter in model.parameters():
        nn.init.zeros_(parameter)
    for _ in range(3):
        average.update_parameters(model)
    for name, decay in (("head", head), ("backbone", backbone)):
        assert average.module.encoder[name].weight[0, 0].item() == pytest.approx(decay**3, rel=1e-12)


def test_stage_3_doubles_its_backbone_and_nothing_else(chain):
    for doubled in (False, True):
        stage = representation_stage(chain, REPRESENTATION.model_copy(update={"ema_doubles_backbone": doubled}))
        names = [
            name for name, _ in stage.product.named_parameters() if name.startswith(stage.averaged_twice or ("-",))
        ]
        expected = [name for name, _ in stage.product.named_parameters() if ".backbone." in name] if doubled else []
        assert names == expected


# stage 3


def representation_stage(chain, settings=REPRESENTATION, method=None):
    volumes, latents = open_store(chain.volumes), open_store(chain.latents)
    unet, decoder = load_unet(chain.train / "diffusion"), load_autoencoder(chain.train / "autoencoder")
    rows = np.arange(4), np.arange(4, 6)
    return RepresentationStage(
        settings,
        DIFFUSION,
        method or config.Method(),
        unet.network,
        decoder.network,
        latents.meta["scale_factor"],
        tuple(Volumes(volumes, part, CPU) for part in rows),
        tuple(Latents(latents, part, CPU) for part in rows),
        1,
    )


def test_validation_reference_is_the_scan_or_its_reconstruction(chain, monkeypatch):
    """A sampler that returns the scan's own latent is perfect against the reconstruction, and not against the scan."""
    scores = {}
    for reference in ("original", "autoencoder"):
        stage = representation_stage(chain, method=config.Method(validation_reference=reference))
        own = iter(stage.validation_latents.mean.split(stage.at_once))
        monkeypatch.setattr(stage_representation, "ddim_decode", lambda *_, own=own, **__: next(own))
        stage.product.eval()
        with torch.no_grad():
            scores[reference] = stage.validate(stage.product)["ssim"]
    assert scores["autoencoder"] == pytest.approx(1, abs=1e-5)
    assert scores["original"] < 0.9


# sampling


def test_clamp_and_shift_reach_the_sampler(chain):
    names = {"off": config.Method(), "on": config.Method(clamp_z0=True)}
    found = {}
    for name, method in names.items():
        ldae = LDAE.load(chain.train, method, config.Sampling(steps=10))
        x_T = 3 * ldae.noise(["a"], 1)
        found[name] = ldae.sample(x_T, None).abs().max()
    assert found["on"] < 1.2
    assert found["off"] > 2
    coefficient = {
        kind: LDAE.load(chain.train, config.Method(shift_at_sampling=kind), config.Sampling()).coefficient
        for kind in ("sqrt", "training")
    }
    assert coefficient["sqrt"][0] == pytest.approx(0.01)
    assert coefficient["training"][0] == 0


# probes and manipulation


def test_folds_by_scan_put_a_subject_on_both_sides_and_reward_memory():
    """Features that name the subject and labels without a pattern: by scan, the weakest penalty looks best."""
    rng = np.random.default_rng(0)
    subjects = np.repeat([f"sub-{i}" for i in range(30)], 4)
    scans = pd.DataFrame({"participant_id": subjects, "session_id": np.tile([f"ses-{i}" for i in range(4)], 30)})
    target = np.repeat(rng.permutation([0.0, 1.0] * 15), 4)
    features = np.repeat(rng.standard_normal((30, 60)), 4, axis=0) + 0.01 * rng.standard_normal((120, 60))
    penalties, shared = {}, {}
    for kind in ("subject", "scan"):
        groups = probe_groups(scans, kind).to_numpy()
        fold = subject_folds(groups, target, 4, 1)
        shared[kind] = max(len(np.unique(fold[subjects == name])) for name in np.unique(subjects))
        penalties[kind] = fit_with_penalty("ad", features, target, groups, target, 1).penalty
    assert shared["subject"] == 1 < shared["scan"]
    assert penalties["scan"] < penalties["subject"]


def test_cn_positive_metrics_mirror_those_of_ad():
    rng = np.random.default_rng(1)
    values = np.column_stack([rng.standard_normal(50), rng.integers(0, 2, 50)])
    weights = np.ones((1, 50))
    found = {name: float(metric(values, weights)[0]) for name, metric in (AD_METRICS | CN_METRICS).items()}
    assert found["sensitivity_cn_positive"] == found["specificity_ad"]
    assert found["specificity_cn_positive"] == found["sensitivity_ad"]
    called = values[:, 0] <= 0
    assert found["precision_cn_positive"] == pytest.approx((values[called, 1] == 0).mean())
    assert found["f1_cn_positive"] != found["f1_ad"]


def test_their_manipulation_is_2_5_times_the_root_of_the_dimension():
    weight = np.zeros(768)
    weight[0] = 4.232
    probe = Probe(np.zeros(768), np.ones(768), weight, 0.0, 1.0)
    assert paper_step(probe, 1) == pytest.approx(2.5 * 768**0.5)
    assert paper_step(probe, 0) == -paper_step(probe, 1)
    assert step_to(probe, np.zeros(768), 0.9) == pytest.approx(np.log(9) / 4.232)  # 130 times shorter
