"""What the configuration says of itself: every key is described, and page and schema are made of what is said."""

import json
from pathlib import Path

import jsonschema
import pytest
import yaml

from ldae.config import Config, load_config
from ldae.config.described import configuration_page, schema, schema_text, section_of, sections

ROOT = Path(__file__).parents[3]
SHIPPED = sorted((ROOT / "config").glob("*.yaml"))
SCHEMA = schema()


def test_page_and_schema_are_in_step_with_the_code():
    page = configuration_page(load_config(ROOT / "config/config.yaml").section())
    assert (ROOT / "docs/configuration.md").read_text(encoding="utf-8") == page, "run `make docs`"
    assert (ROOT / "config/schema.json").read_text(encoding="utf-8") == schema_text(), "run `make docs`"


@pytest.mark.parametrize("name", [None, *SCHEMA["$defs"]])
def test_every_key_is_described(name):
    """A section by its docstring, any other key by a description; no two words that only repeat its name."""
    part = SCHEMA if name is None else SCHEMA["$defs"][name]
    assert len(part["description"].split()) >= 3
    for key, prop in part["properties"].items():
        if section_of(prop) is None or "items" in prop:
            said = prop.get("description", "")
            assert len(said.split()) >= 2, f"{name}.{key} has no description"
            assert said.casefold().replace(" ", "_") != key


def keys(content: dict) -> set[str]:
    return set(content).union(*(keys(value) for value in content.values() if isinstance(value, dict)))


def test_the_page_has_every_key_and_section():
    page = (ROOT / "docs/configuration.md").read_text(encoding="utf-8")
    assert all(f"{key}`" in page for key in keys(load_config(ROOT / "config/config.yaml").section()))
    assert {place for places in sections(SCHEMA).values() for place in places} >= {"raw", "dae.training.compute"}
    assert "| `spacing_mm` | edge of its voxels | mm | `1.5` | number above 0 |" in page
    assert "`source` | " in page and "`clinica` |" in page


def errors(content: object) -> list[str]:
    validator = jsonschema.Draft202012Validator(SCHEMA)
    return [".".join(map(str, error.absolute_path)) for error in validator.iter_errors(content)]


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.name)
def test_editors_accept_every_file_that_is_shipped(path):
    assert not errors(yaml.safe_load(path.read_text(encoding="utf-8")))


@pytest.mark.parametrize(
    ("content", "place"),
    [
        ({"autoencoder": {"chanels": [1]}}, "autoencoder"),
        ({"splits": {"test_fraction": 1.5}}, "splits.test_fraction"),
        ({"source": "dicom"}, "source"),
        ({"evaluation": {"solvers": [{"steps": 0}]}}, "evaluation.solvers.0.steps"),
    ],
)
def test_editors_refuse_what_the_workflow_refuses(content, place):
    assert errors(content) == [place]


def test_the_schema_is_one_itself():
    jsonschema.Draft202012Validator.check_schema(json.loads(schema_text()))
    assert set(SCHEMA["properties"]) == set(Config.model_fields)
