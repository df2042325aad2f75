"""Trained networks in bf16 and channels-last: what is computed so, what is not, and who is told."""

import inspect
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from ldae import config
from ldae.core.errors import UserError
from ldae.core.store import open_store
from ldae.diffusion.ddim import ddim_decode, guided
from ldae.inference import encode, latents
from ldae.inference.arithmetic import called
from ldae.inference.decoder import DaeDecoder
from ldae.inference.encode import encode_codes, encode_solver_codes
from ldae.inference.latents import encode_latents
from ldae.inference.pipeline import LDAE, CodeKey
from ldae.report.run_description import steps
from ldae.training.rule_memory import RULES

HALF, LAST = config.Arithmetic(precision="bf16"), config.Arithmetic(channels_last=True)
METHOD, SAMPLING, FEWER = config.Method(), config.Sampling(steps=3), config.Sampling(steps=2)
SCRIPTS = Path(__file__).parents[3] / "workflow" / "scripts"
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def chains(chain):
    return {
        name: LDAE.load(chain.train, METHOD, SAMPLING, arithmetic=how)
        for name, how in {"exact": config.Arithmetic(), "half": HALF, "last": LAST}.items()
    }


@pytest.fixture(scope="module")
def x(chain):
    return torch.from_numpy(open_store(chain.volumes).volumes([6, 7]))[:, None]


def everything(ldae, x):
    y, z = ldae.encode_semantic(x), ldae.encode_latent(x)
    x_T = ldae.invert(z, y)
    given = {"y": y, "z": z, "x_T": x_T, "without y": ldae.invert(z, None), "sample": ldae.sample(x_T, y)}
    return given | {"decoded": ldae.decode_latent(z), "autoencoded": ldae.autoencode(x)}


@pytest.mark.parametrize(("kind", "largest"), [("half", 2e-2), ("last", 1e-5)])
def test_answers_are_float32_and_near_the_exact_ones(chains, x, kind, largest):
    exact, found = everything(chains["exact"], x), everything(chains[kind], x)
    for name, value in found.items():
        assert value.dtype == torch.float32, name
        error = (value - exact[name]).norm() / exact[name].norm()
        assert 0 < error < largest or (kind == "last" and error == 0), (name, float(error))


def test_a_sampler_walks_in_float32_and_calls_its_network_in_bf16(chains, chain):
    """The same walk written out, with the network's weights as they were stored: equal bits."""
    ldae, plain = chains["half"], LDAE.load(chain.train, METHOD, SAMPLING)
    x_T, y = ldae.noise(["a", "b"], 1), torch.randn(2, ldae.dimension, generator=torch.manual_seed(0))

    def estimator(z, t, y):
        assert z.dtype == torch.float32
        with torch.autocast("cpu", dtype=torch.bfloat16):
            eps, shift = plain.estimator(z, t, y)
        return eps.float(), shift.float()

    with torch.no_grad():
        walked = ddim_decode(guided(estimator, y, plain.coefficient), x_T, plain._grid(), plain.schedule)
    found = ldae.sample(x_T, y)
    assert torch.equal(found, walked)
    assert not torch.equal(found, found.bfloat16().float())  # no state was rounded


def test_only_the_frozen_trunk_is_stored_in_bf16(chains):
    half = chains["half"]
    parameters = [
        p for m in half.estimator.trunk.modules() if not isinstance(m, nn.GroupNorm) for p in m.parameters(False)
    ]
    assert {p.dtype for p in parameters} == {torch.bfloat16}
    rest = (half.autoencoder, half.encoder, half.estimator.shift)
    assert {p.dtype for network in rest for p in network.parameters()} == {torch.float32}


def test_channels_last_lays_out_every_network(chains):
    ldae = chains["last"]
    for network in (ldae.autoencoder, ldae.encoder, ldae.estimator):
        for parameter in network.parameters():
            if parameter.ndim == 5:
                assert parameter.is_contiguous(memory_format=torch.channels_last_3d)
            if parameter.ndim == 4:
                assert parameter.is_contiguous(memory_format=torch.channels_last)


def test_in_float32_a_network_is_itself(chain):
    network = nn.Linear(2, 2)
    assert called(network, config.Arithmetic(), CPU) is network
    assert called(network, LAST, CPU) is network


def encoded(chain, out, how, solvers=(FEWER,)):
    encode_codes(chain.volumes, chain.latents, chain.splits, chain.train, out, METHOD, SAMPLING, arithmetic=how)
    encode_solver_codes(
        chain.volumes, chain.latents, chain.splits, chain.train, out, METHOD, SAMPLING, list(solvers), arithmetic=how
    )


def test_stores_say_their_precision_and_are_not_taken_for_another(chain, tmp_path):
    """float32 says nothing: stores of before are of it, and stay as they are."""
    encoded(chain, tmp_path, config.Arithmetic())
    names = ("y_sem", "y_sem_untrained", "x_T", "x_T_unconditional", "x_T_ddim-2", "x_T_unconditional_ddim-2")
    before = {name: open_store(tmp_path / name) for name in names}
    assert not any("precision" in store.meta for store in before.values())
    encoded(chain, tmp_path, HALF)
    for name, store in before.items():
        now = open_store(tmp_path / name)
        assert now.meta["precision"] == "bf16" and now.data.dtype == np.float32, name
        assert now.digest != store.digest, name
    exact, half = (
        CodeKey.of(LDAE.load(chain.train, METHOD, SAMPLING, arithmetic=how), True)
        for how in (config.Arithmetic(), HALF)
    )
    assert half.matches(open_store(tmp_path / "x_T").meta) and exact.matches(before["x_T"].meta)
    assert not exact.matches(open_store(tmp_path / "x_T").meta) and not half.matches(before["x_T"].meta)
    assert "bf16" in str(half) and "fp32" not in str(exact)


def test_latents_in_bf16(chain, tmp_path):
    encode_latents(chain.volumes, chain.train / "autoencoder", chain.splits, tmp_path, arithmetic=HALF)
    exact, half = open_store(chain.latents), open_store(tmp_path)
    assert "precision" not in exact.meta and half.meta["precision"] == "bf16"
    difference = np.linalg.norm(half.data - exact.data) / np.linalg.norm(exact.data)
    assert 0 < difference < 1e-2
    assert half.scans == exact.scans  # made from the same volumes: a model of stage 2 stays


def test_every_rule_that_uses_a_network_is_told():
    """Or it would compute in float32 while the configuration says bf16."""
    for rule in RULES:
        words = (SCRIPTS / f"{rule}.py").read_text()
        assert words.count("arithmetic=") == words.count("LDAE.load") or rule.startswith("encode_"), rule
        assert "arithmetic=" in words, rule
        assert words.count("DaeDecoder.load") == words.count("settings.volumes, settings)"), rule
    for function in (encode.encode_codes, encode.encode_solver_codes, encode.encode_baselines, latents.encode_latents):
        assert "arithmetic" in inspect.signature(function).parameters
    assert "arithmetic" in inspect.signature(DaeDecoder.load).parameters


def test_a_wrong_precision_is_one_sentence(tmp_path):
    path = tmp_path / "own.yaml"
    path.write_text("evaluation: {precision: fp16}\n")
    base = SCRIPTS.parents[1] / "config" / "config.yaml"
    with pytest.raises(UserError, match=r"evaluation\.precision"):
        config.load_config(base, path)
    path.write_text("evaluation: {precision: bf16}\n")
    said = [dict(steps(config.load_config(*files)))["Evaluate"] for files in ((base,), (base, path))]
    assert "bf16" not in said[0] and said[1] == f"{said[0]}, networks in bf16"
