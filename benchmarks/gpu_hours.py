"""GPU hours of the trainings, counted: floating-point operations of a scan x scans seen / what an A100 delivers.

The operations are counted on tensors without data (PyTorch's FlopCounterMode, 2 per multiply-add); a trained network
counts three times its forward pass, a frozen one once. Half of the A100's peak is an assumption, so the hours are a
floor, not a measurement.

    python benchmarks/gpu_hours.py
"""

import argparse
from pathlib import Path

import torch
from torch.utils.flop_counter import FlopCounterMode

from ldae.config import Compute, Config, load_config
from ldae.networks.autoencoder import build_autoencoder
from ldae.networks.dae import build_dae
from ldae.networks.discriminator import build_discriminator
from ldae.networks.gradient_estimator import build_shift_branch
from ldae.networks.semantic_encoder import build_semantic_encoder
from ldae.networks.unet import UNet

A100_TFLOPS = 312.0  # bf16, dense
DELIVERED = 0.5
TRAINED, FROZEN = 3, 1


def teraflops(call) -> float:
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        call()
    return counter.get_total_flops() / 1e12


def plain(section):
    """A section whose network is computed without rewrites, as the paper's code computes it."""
    training = section.training.model_copy(update={"compute": Compute.plain()})
    return section.model_copy(update={"training": training})


def per_scan(config: Config) -> dict[str, float]:
    """Stage -> TFLOP of one scan in one training step."""
    sections = ("autoencoder", "diffusion", "representation", "dae")
    config = config.model_copy(update={name: plain(getattr(config, name)) for name in sections})
    shape = config.preprocessing.conform.shape
    channels = config.autoencoder.latent_channels
    with torch.device("meta"):
        autoencoder = build_autoencoder(config.autoencoder).eval()
        discriminator = build_discriminator(config.autoencoder.discriminator).eval()
        unet = UNet(config.diffusion, channels).eval()
        shift = build_shift_branch(config.diffusion, channels, config.representation.dimension, unet).eval()
        encoder = build_semantic_encoder(config.representation).eval()
        dae, coarse = build_dae(config.dae).eval(), torch.empty(1, 1, *config.dae.shape)
        volume, time = torch.empty(1, 1, *shape), torch.empty(1, dtype=torch.long)
        code = torch.empty(1, config.representation.dimension)
        latent = autoencoder.encode(volume)[0]
    coding = teraflops(lambda: autoencoder.decode(autoencoder.encode(volume)[0]))
    judging = teraflops(lambda: discriminator(volume))
    noise = teraflops(lambda: unet(latent, time))
    features, embedded = unet.features(latent, time)
    guiding = teraflops(lambda: shift(features, embedded, code))
    reading = teraflops(lambda: encoder(volume))
    voxels = teraflops(lambda: dae(coarse, time, dae.encode(coarse)))
    return {
        # the discriminator: through it once for the generator, real and reconstructed volume for itself
        "train_autoencoder": TRAINED * coding + (2 + 2 * TRAINED) * judging,
        "train_diffusion": TRAINED * noise,
        "train_representation": FROZEN * noise + TRAINED * (guiding + reading),
        "train_dae": TRAINED * voxels,
        "train_supervised_ad": TRAINED * reading,
        "train_supervised_age": TRAINED * reading,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--config", type=Path, nargs="+", default=[Path("config/config.yaml")])
    config = load_config(*parser.parse_args().config)
    trainings = {
        "train_autoencoder": config.autoencoder.training,
        "train_diffusion": config.diffusion.training,
        "train_representation": config.representation.training,
        "train_dae": config.dae.training,
        "train_supervised_ad": config.supervised_ad.training,
        "train_supervised_age": config.supervised_age.training,
    }
    for stage, cost in per_scan(config).items():
        scans = trainings[stage].steps * trainings[stage].batch
        hours = cost * scans / (A100_TFLOPS * DELIVERED) / 3600
        print(f"{stage:22} {cost:6.2f} TFLOP x {scans:>9,} scans = {hours:5.1f} A100 hours at {DELIVERED:.0%} of peak")


if __name__ == "__main__":
    main()
