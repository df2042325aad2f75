"""Stage 3 starts at the unconditional model, and its frozen trunk is stored once and touched by nothing."""

import re
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from ldae import config
from ldae.core.keyed import Draw
from ldae.core.store import open_store, write_store
from ldae.inference.readers import Latents, Volumes
from ldae.networks.autoencoder import build_autoencoder
from ldae.networks.unet import UNet
from ldae.training.stages.representation import RepresentationStage
from ldae.training.stages.stage import ssim
from ldae.training.trainer import Trainer

TRAINING = {"steps": 4, "batch": 2, "micro_batch": 1, "learning_rate": 1e-3, "validate_every": 2, "ema_decay": 0.9}
DIFFUSION = config.Diffusion(
    channels=8, multipliers=[1, 2], res_blocks=1, attention_factors=[2], norm_groups=4, training=TRAINING
)
AUTOENCODER = config.Autoencoder(channels=[8, 8, 8], res_blocks=1, norm_groups=4, training=TRAINING)


def representation(precision):
    return config.Representation(
        backbone="test_convnext",
        dimension=8,
        heads=2,
        slice_step=4,
        drop_path=0.0,
        dropout=0.0,
        training=TRAINING | {"precision": precision},
    )


@pytest.fixture(params=["fp32", "bf16"])
def stage(request, tmp_path):
    rng, cpu = np.random.default_rng(0), torch.device("cpu")
    index = pd.DataFrame({"participant_id": list("abcd"), "session_id": "ses-M000"})
    write_store(tmp_path / "volumes", rng.integers(0, 256, (4, 32, 32, 32), dtype=np.uint8), index, dtype="uint8")
    latents = rng.standard_normal((4, 2, 3, 8, 8, 8)).astype(np.float32)
    latents[:, 1] = 0.1
    write_store(tmp_path / "latents", latents, index, scale_factor=1.0)
    torch.manual_seed(0)
    trunk = UNet(DIFFUSION, 3)
    for parameter in trunk.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    volumes, latents = open_store(tmp_path / "volumes"), open_store(tmp_path / "latents")
    parts = np.arange(3), np.arange(3, 4)
    return RepresentationStage(
        representation(request.param),
        DIFFUSION,
        config.Method(),
        trunk,
        build_autoencoder(AUTOENCODER),
        1.0,
        tuple(Volumes(volumes, rows, cpu) for rows in parts),
        tuple(Latents(latents, rows, cpu) for rows in parts),
        seed=1,
    )


def test_training_starts_exactly_at_the_unconditional_model(stage):
    losses = stage.backward([Draw(scan, (1, "representation", 0, scan)) for scan in range(3)], 1.0)
    assert losses["loss"].item() == losses["unconditional"].item() > 0
    gradients = [parameter.grad for parameter in stage.product.shift.up.conv_out.parameters()]
    assert all(gradient.abs().sum() > 0 for gradient in gradients)  # and leaves it at once


def test_a_step_runs_what_the_walk_through_the_code_names(stage):
    """Every module of ours that really runs in a step stands in its walk in docs/architecture.md, or beside it."""
    root = Path(__file__).parents[3]
    page = (root / "docs/architecture.md").read_text()
    walk = page[page.index("## A step of stage 3") : page.index("## A number of Table 7")]
    named = set(re.findall(r"\]\(\.\./(src/ldae/\S+?\.py)\)", walk))
    steps = set(re.findall(r"^\d+\. \[(\S+)\]", walk, flags=re.MULTILINE))
    trainer = Trainer(stage, stage.settings.training, seed=1)
    ran = set()
    sys.setprofile(lambda frame, event, argument: ran.add(frame.f_code.co_filename) if event == "call" else None)
    try:
        trainer.advance()
    finally:
        sys.setprofile(None)
    ours = {Path(file).relative_to(root).as_posix() for file in ran if file.startswith(str(root / "src"))}
    assert len(steps) <= 10 and steps - {"src/ldae/training/loop.py"} <= ours <= named


def test_the_trunk_is_in_no_optimizer_average_or_checkpoint(stage):
    before = {name: value.clone() for name, value in stage.trunk.state_dict().items()}
    trainer = Trainer(stage, stage.settings.training, seed=1)
    trainer.advance()
    trunk = {value.data_ptr() for value in stage.trunk.state_dict().values()}
    held = [p for optimizer in trainer.optimizers.values() for group in optimizer.param_groups for p in group["params"]]
    held += [*trainer.average.state_dict().values(), *stage.product.state_dict().values()]
    tensors, _ = trainer.state()
    held += [tensor for name, tensor in tensors.items() if not name.startswith("optimizer")]
    assert len(held) > 100 and not trunk & {tensor.data_ptr() for tensor in held}
    assert not [name for name in tensors if "trunk" in name]
    trained = sum(parameter.numel() for parameter in stage.product.parameters())
    assert (
        sum(p.numel() for group in trainer.optimizers["representation"].param_groups for p in group["params"])
        == trained
    )
    assert stage.estimator.trunk is stage.trunk  # once
    assert all(parameter.grad is None for parameter in stage.trunk.parameters())
    assert all(torch.equal(value, before[name]) for name, value in stage.trunk.state_dict().items())
    kind = torch.bfloat16 if stage.settings.training.precision == "bf16" else torch.float32
    assert {parameter.dtype for parameter in stage.trunk.parameters() if parameter.ndim > 2} == {kind}
    assert {parameter.dtype for parameter in stage.product.parameters()} == {torch.float32}


def test_validation_scores_samples_against_the_scan_and_against_its_reconstruction(stage, monkeypatch):
    stage.product.eval()
    with torch.no_grad():
        first, second = stage.validate(stage.product), stage.validate(stage.product)
        assert first == second  # fixed noise
        reconstruction = stage._decoded([0])
        monkeypatch.setattr(stage, "_samples", lambda *_: reconstruction)
        metrics = stage.validate(stage.product)
    assert metrics["ssim_ae"] == pytest.approx(1)
    assert metrics["ssim"] == pytest.approx(ssim(reconstruction, stage.validation_volumes[[0]]).item())
    assert first.keys() == {"loss", "gap_filled", "ssim", "ssim_ae"} and stage.selection == "ssim"


def test_a_validation_and_its_picture_decode_no_more_scans_at_once_than_a_step_trains_on(stage):
    """Eight at once would need 30 GiB at the paper's size, before the first checkpoint."""
    rows = np.arange(4)
    stage.validation_volumes = Volumes(stage.volumes.store, rows, stage.device)
    stage.validation_latents = Latents(open_store(stage.volumes.store.path.parent / "latents"), rows, stage.device)
    seen = {"decode": [], "encoder": []}
    decode = stage.autoencoder.decode
    stage.autoencoder.decode = lambda z: seen["decode"].append(len(z)) or decode(z)
    stage.product.encoder.register_forward_pre_hook(lambda _, given: seen["encoder"].append(len(given[0])))
    with torch.no_grad():
        stage.validate(stage.product)
        assert len(stage.examples(stage.product)) == 4
    assert stage.settings.training.micro_batch == 1
    assert set(seen["decode"]) == set(seen["encoder"]) == {1}
