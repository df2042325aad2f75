"""Tables 2 to 4: the shipped configuration is the paper's, value by value."""

from pathlib import Path

import pytest

from ldae.config import Config, load_config
from ldae.studies.method.table import settings_tables

ROOT = Path(__file__).parents[3]
DESCRIPTIONS = {
    "autoencoder": {"parameters": {"autoencoder": 13_766_248, "discriminator": 11_048_769}, "scans": 9216},
    "diffusion": {"parameters": {"unet": 486_927_363}, "scans": 9216},
    "representation": {"parameters": {"representation": 431_999_844}, "scans": 9216},
}
ELSEWHERE = {"parameters trained", "hardware and time", "precision", "optimizer"}  # in other words, or ours by choice
NOT_GIVEN = {
    "start",
    "start of the backbone",
    "weight of the perceptual loss",
    "perceptual network",
}  # pretrained weights a user brings


@pytest.fixture(scope="module")
def paper() -> Config:
    return load_config(ROOT / "config/config.yaml")


@pytest.mark.parametrize("stage", DESCRIPTIONS)
def test_the_paper_configuration_has_the_papers_values(paper, stage):
    table = settings_tables(paper, DESCRIPTIONS)[stage].set_index("setting")
    known = table[(table["paper"] != "n/a") & ~table.index.isin(ELSEWHERE | NOT_GIVEN | {"epochs"})]
    assert len(known) >= 5
    assert (known["ours"] == known["paper"]).all(), known[known["ours"] != known["paper"]]


def test_an_epoch_is_one_pass_over_the_training_scans(paper):
    table = settings_tables(paper, DESCRIPTIONS)["autoencoder"].set_index("setting")
    assert table.loc["epochs", "ours"] == "20.0"  # 23,040 steps of 8 scans over 9,216 scans
    assert table.loc["parameters trained", "ours"] == "13,766,248 (autoencoder) + 11,048,769 (discriminator)"


def test_what_the_paper_prints_is_not_ascribed_to_the_code(paper):
    tables = settings_tables(paper, DESCRIPTIONS)
    sources = {stage: table.set_index("setting")["source"] for stage, table in tables.items()}
    printed = {
        "autoencoder": ["channels", "residual blocks per level", "weight of KL", "weight of the adversarial loss"],
        "diffusion": [
            "residual blocks per level",
            "attention at down-sampling",
            "dropout",
            "decay of the weight average",
        ],
        "representation": ["attention heads", "decay of the weight average"],
    }
    for stage, names in printed.items():
        assert sources[stage][names].str.startswith("paper").all()
    for stage, table in sources.items():
        assert {"optimizer", "hardware and time"} <= set(table.index), stage
    assert {"normalisation", "perceptual network", "layers of the discriminator"} <= set(sources["autoencoder"].index)


def test_missing_weights_are_said(paper):
    tables = settings_tables(paper, DESCRIPTIONS)
    assert tables["representation"].set_index("setting").loc["start of the backbone", "ours"] == "random"
    assert "no weights" in tables["autoencoder"].set_index("setting").loc["weight of the perceptual loss", "ours"]


def test_weights_of_another_run_are_named_by_their_digest(paper):
    training = paper.autoencoder.training.model_copy(update={"init_from": Path("results/other")})
    warm = paper.model_copy(update={"autoencoder": paper.autoencoder.model_copy(update={"training": training})})
    described = DESCRIPTIONS["autoencoder"] | {"init_from": {"digest": "0123456789abcdef"}}
    table = settings_tables(warm, DESCRIPTIONS | {"autoencoder": described})["autoencoder"].set_index("setting")
    assert table.loc["start", "ours"] == "weights of another run"
    assert table.loc["started from the weights", "ours"] == "0123456789abcdef"


def test_imported_weights_have_no_training_of_ours(paper):
    imported = {"parameters": {"diffusion": 486_927_363}, "imported": [{"file": "unet.pt"}]}
    table = settings_tables(paper, DESCRIPTIONS | {"diffusion": imported})["diffusion"].set_index("setting")
    assert table.loc["epochs", "ours"] == table.loc["training scans", "ours"] == "imported: not trained here"
    assert table.loc["parameters trained", "ours"] == "486,927,363 (diffusion)"
