"""A configuration with a frozen model: what the model determines, what it leaves free, and what contradicts it."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from ldae.config import load_config, model_digest, parse_config, read_layer
from ldae.core.errors import UserError
from ldae.core.files import read_json, write_json
from ldae.core.model_places import STAGES, parts
from ldae.training.planning import require_runnable, to_train

CONFIG = Path(__file__).parents[3] / "config"
BASE = CONFIG / "config.yaml"


@pytest.fixture
def model(tmp_path) -> Path:
    """The folder of a model of the small networks on the demo's grid, without weights that could be loaded."""
    small = load_config(BASE, CONFIG / "small_networks.yaml", CONFIG / "demo.yaml")
    folder, values = tmp_path / "model", small.section()
    recipe = {"format": 1, "version": "0", "phantom": True, "source": "adni", "template_sha256": "0" * 64}
    recipe |= {name: values[name] for name in ("method", "preprocessing")} | {
        "sampling": values["evaluation"]["sampling"],
        "stages": dict(zip(STAGES, ("a", "b", "c"), strict=True)),
    }
    write_json(folder / "config.json", recipe)
    for name in ("probes.json", "reference.json", "reference.safetensors"):
        write_json(folder / name, {})
    for stage in STAGES:
        write_json(folder / stage / "model.json", {"settings": values[stage], "digest": "x"})
        (folder / stage / "model.safetensors").write_bytes(b"")
    return folder


@pytest.fixture
def configured(model, tmp_path):
    """Reads the paper's configuration with this laid over it."""

    def read(**content: Any):
        path = tmp_path / "mine.yaml"
        given = {"model": str(model), "results_dir": str(tmp_path / "results"), "phantom": {"subjects": {"CN": 2}}}
        path.write_text(yaml.safe_dump(given | {"raw": None} | content))
        return load_config(BASE, path)

    return read


def test_recipe_networks_and_method_are_those_of_the_model(model, configured):
    settings, recipe = configured(), read_json(model / "config.json")
    assert settings.section("preprocessing", "conform") == recipe["preprocessing"]["conform"]
    assert settings.section("method") == recipe["method"]
    assert settings.section("evaluation", "sampling") == recipe["sampling"]
    for stage in STAGES:
        assert settings.section(stage) == read_json(model / stage / "model.json")["settings"]
    assert settings.preprocessing.shards == yaml.safe_load(BASE.read_text())["preprocessing"]["shards"]
    assert model_digest(model) == "c"


def test_the_resolved_configuration_reads_back_as_itself(configured):
    """Jobs are given it as plain values, through JSON."""
    settings = configured()
    assert parse_config(json.loads(json.dumps(settings.section()))) == settings


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (
            {"preprocessing": {"conform": {"spacing_mm": 2.0}}},
            r"^preprocessing\.conform\.spacing_mm: .* has .*, .* says 2",
        ),
        (
            {"autoencoder": {"channels": [8, 8]}},
            r"^autoencoder\.channels: the model .* has \[.*\], .* says \[8, 8\]: take",
        ),
        ({"method": {"clamp_z0": True}}, r"^method\.clamp_z0: the model .* has False, the configuration says True"),
        ({"method": {"mode": "authors_code"}}, r"^method\.mode: the model .* has paper, .* says authors_code"),
        ({"preprocessing": "fast"}, r"^preprocessing: the model .* has a section, the configuration says 'fast'"),
        ({"evaluation": {"sampling": {"steps": 7}}}, r"^evaluation\.sampling\.steps: .* says 7"),
        ({"representation": {"training": {"steps": 1}, "dimension": 3}}, r"says 3 \(and 1 more keys\)|says 1 \(and 1"),
        ({"splits": {"hold_out": {"site": ["002"]}}}, r"splits\.hold_out: the model .* is frozen"),
    ],
)
def test_what_contradicts_the_model_is_one_sentence(configured, content, sentence):
    with pytest.raises(UserError, match=sentence) as raised:
        configured(**content)
    assert str(raised.value).count("\n") == 0


def test_an_empty_section_says_nothing(model, configured):
    recipe = read_json(model / "config.json")
    assert configured(preprocessing=None).section("preprocessing", "conform") == recipe["preprocessing"]["conform"]


def test_what_is_of_the_cohort_or_the_machine_is_free(configured):
    settings = configured(
        preprocessing={"shards": 3, "quality": {"outlier_z": 9.0}, "keep_corrected": False},
        representation={"training": {"micro_batch": 1}},
        evaluation={"bootstrap": 77},
        manifest={"require_diagnosis": False},
    )
    assert settings.preprocessing.shards == 3 and settings.preprocessing.quality.outlier_z == 9.0
    assert settings.evaluation.bootstrap == 77 and not settings.preprocessing.keep_corrected


def test_the_same_value_written_otherwise_is_no_contradiction(model, configured):
    known = read_json(model / "autoencoder/model.json")["settings"]
    settings = configured(autoencoder={"kl_weight": f"{known['kl_weight']:.3e}", "channels": known["channels"]})
    assert settings.section("autoencoder") == known


def test_nothing_is_left_to_train(configured):
    settings = configured()
    assert to_train(settings) == set()
    require_runnable(settings, {})


def test_a_folder_that_is_no_whole_model_is_one_sentence(model, configured, tmp_path):
    (model / "diffusion/model.safetensors").unlink()
    with pytest.raises(UserError, match=r"diffusion/model\.safetensors is missing: .* is not the whole model"):
        configured()
    with pytest.raises(UserError, match="is neither a folder that"):
        configured(model=str(tmp_path / "nothing"))


def test_results_and_model_lie_apart_and_no_trained_model_is_replaced(model, configured, tmp_path):
    with pytest.raises(UserError, match="lie in one another: choose another results_dir"):
        configured(results_dir=str(model / "results"))
    (tmp_path / "results/train/diffusion/checkpoints").mkdir(parents=True)
    with pytest.raises(UserError, match="holds a model that was trained or imported there, and it stays"):
        configured()


def test_a_model_of_given_volumes_takes_given_volumes_alone(model, configured):
    write_json(model / "config.json", read_json(model / "config.json") | {"source": "csv"})
    with pytest.raises(UserError, match=r"^source: the model .* no recipe for raw scans, .* says adni"):
        configured()


def test_parts_are_those_that_an_export_writes(model):
    assert len(parts(model)) == 10 and all(path.is_file() for path in parts(model))


def test_a_file_that_is_no_mapping_lies_beneath_nothing(tmp_path):
    (tmp_path / "empty.yaml").write_text("")
    assert read_layer(tmp_path / "empty.yaml") == {}
