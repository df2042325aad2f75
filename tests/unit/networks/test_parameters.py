"""The networks of config.yaml are the paper's, to the parameter."""

import json
from pathlib import Path

import pytest

from ldae import cli
from ldae.config import load_config
from ldae.networks.counts import parameter_counts

CONFIG = Path(__file__).parents[3] / "config" / "config.yaml"


@pytest.fixture(scope="module")
def counts():
    config = load_config(CONFIG)
    counts = parameter_counts(config.autoencoder, config.diffusion, config.representation, config.dae)
    return {count.network: (count.parameters, count.trainable) for count in counts}


@pytest.mark.parametrize(
    ("network", "parameters", "trainable"),
    [
        ("autoencoder", 13_766_248, 13_766_248),
        ("discriminator", 11_048_769, 11_048_769),
        ("unet", 486_927_363, 486_927_363),
        ("semantic_encoder", 53_588_065, 53_588_065),
        ("gradient_estimator", 865_339_142, 378_411_779),
        ("supervised", 53_588_065 + 769, 53_588_065 + 769),
    ],
)
def test_counts_are_the_papers(counts, network, parameters, trainable):
    assert counts[network] == (parameters, trainable)


def test_the_voxel_space_baseline_has_the_papers_size(counts):
    parameters, trainable = counts["dae"]
    assert parameters == trainable == pytest.approx(130e6, rel=0.02)


def test_resampling_rule_does_not_change_the_weights():
    config = load_config(CONFIG)
    in_plane = config.diffusion.model_copy(update={"resample": "in_plane"})
    unets = [parameter_counts(config.autoencoder, d, config.representation)[2] for d in (config.diffusion, in_plane)]
    assert unets[0] == unets[1]


def test_command_line_prints_the_papers_counts(capsys):
    assert cli.main(["params", "--config", str(CONFIG), "--json"]) == 0
    counts = json.loads(capsys.readouterr().out)
    assert counts["unet"] == {"parameters": 486_927_363, "trainable": 486_927_363}
    assert counts["gradient_estimator"] == {"parameters": 865_339_142, "trainable": 378_411_779}
    assert counts.keys() >= {"dae", "supervised"}
