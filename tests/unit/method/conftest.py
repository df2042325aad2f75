"""A chain of tiny trained networks, made once."""

import numpy as np
import pandas as pd
import pytest
from tiny_chain import AUTOENCODER, DIFFUSION, REPRESENTATION, Chain

from ldae import config
from ldae.core.store import write_store
from ldae.inference.latents import encode_latents
from ldae.training.run import train_autoencoder, train_diffusion, train_representation


@pytest.fixture(scope="session")
def chain(tmp_path_factory):
    folder = tmp_path_factory.mktemp("chain")
    brightness = np.linspace(0.2, 1, 8)[:, None, None, None]
    volumes = (np.random.default_rng(0).random((8, 32, 32, 32)) * 255 * brightness).astype(np.uint8)
    names = [f"sub-{i // 2}" for i in range(8)]
    index = pd.DataFrame({"participant_id": names, "session_id": [f"ses-M{i % 2:03d}" for i in range(8)]})
    write_store(folder / "volumes", volumes, index, dtype="uint8")
    splits = pd.DataFrame({"participant_id": sorted(set(names)), "split": ["train", "train", "validation", "test"]})
    splits.to_csv(folder / "splits.tsv", sep="\t", index=False)
    chain = Chain(folder)
    stages = [chain.train / name for name in ("autoencoder", "diffusion", "representation")]
    train_autoencoder(chain.volumes, chain.splits, stages[0], AUTOENCODER, 1)
    encode_latents(chain.volumes, stages[0], chain.splits, chain.latents)
    train_diffusion(chain.latents, chain.splits, stages[1], DIFFUSION, config.Method(), 1)
    train_representation(chain.volumes, chain.latents, chain.splits, *stages, REPRESENTATION, config.Method(), 1)
    return chain
