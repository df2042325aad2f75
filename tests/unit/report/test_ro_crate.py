"""The public bundle as an RO-Crate 1.1: its structure, its digests, and that nothing of the machine is in it."""

from pathlib import Path

import pytest

from ldae.config import load_config
from ldae.core.files import read_json, sha256_file, write_json
from ldae.report.identifiers import NOBODY
from ldae.report.leaving import fault_of_text
from ldae.report.ro_crate import CONFIGURATION, METADATA, write_crate

CONFIG = Path(__file__).parents[3] / "config"
PROVENANCE = {
    "Software": {"ldae-adni": "0.1", "torch": "9.9"},
    "Stores": {"volumes": "0123456789abcdef"},
    "Models": {"diffusion": "fedcba9876543210"},
    "Trained with": {},
}


def configured(*names: str):
    return load_config(*(CONFIG / f"{name}.yaml" for name in names))


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "tables").mkdir()
    (tmp_path / "tables/probes.tsv").write_text("method\tauc\nldae\t0.8\n")
    (tmp_path / "report.html").write_text("<!DOCTYPE html>")
    config = configured("config", "small_networks", "demo")
    write_crate(tmp_path, config, PROVENANCE, {"report.html": "the report"}.get)
    return tmp_path


@pytest.fixture
def entities(folder):
    graph = read_json(folder / METADATA)["@graph"]
    found = {entity["@id"]: entity for entity in graph}
    assert len(found) == len(graph)
    return found


def test_the_descriptor_names_the_version_and_leads_to_the_folder(folder, entities):
    assert read_json(folder / METADATA)["@context"][0] == "https://w3id.org/ro/crate/1.1/context"
    descriptor, root = entities[METADATA], entities["./"]
    assert descriptor["@type"] == "CreativeWork" and descriptor["about"] == {"@id": "./"}
    assert descriptor["conformsTo"] == {"@id": "https://w3id.org/ro/crate/1.1"}
    assert root["@type"] == "Dataset" and root["datePublished"].isdigit()
    assert all(root[name] for name in ("name", "description", "license"))


def test_every_file_of_the_folder_is_a_part_with_its_digest(folder, entities):
    parts = {part["@id"] for part in entities["./"]["hasPart"]}
    there = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert parts == there - {METADATA} == {"report.html", "tables/probes.tsv", CONFIGURATION}
    for place in parts:
        entity, path = entities[place], folder / place
        assert entity["@type"] == "File" and entity["sha256"] == sha256_file(path)
        assert entity["contentSize"] == str(path.stat().st_size) and "/" in entity["encodingFormat"]
    assert entities["report.html"]["description"] == "the report"


def test_whatever_is_named_is_described_and_whatever_is_described_is_named(entities):
    def named(value):
        if isinstance(value, dict):
            yield from [value["@id"]] if set(value) == {"@id"} else []
            value = list(value.values())
        if isinstance(value, list):
            yield from (found for item in value for found in named(item))

    links = {link for entity in entities.values() for link in named(entity)}
    assert {link for link in links if not link.startswith("https://")} <= set(entities)
    assert set(entities) - links == {METADATA}


def test_the_run_says_with_what_it_was_made_and_of_what(entities):
    run = entities["#run"]
    assert run["@type"] == "CreateAction" and {"@id": "report.html"} in run["result"]
    assert entities[run["instrument"]["@id"]]["softwareRequirements"] == [{"@id": "#torch"}]
    assert entities["#torch"]["version"] == "9.9"
    read = {entities[link["@id"]].get("identifier") for link in run["object"]}
    assert read == {None, "0123456789abcdef", "fedcba9876543210"}
    assert f"ldae run --config {CONFIGURATION}" in run["description"]


@pytest.mark.parametrize(
    "names", [("config", "small_networks", "demo"), ("config",), ("config", "oasis3")], ids="-".join
)
def test_the_configuration_repeats_the_run_and_names_no_folder(tmp_path, names):
    config = configured(*names)
    write_crate(tmp_path, config, PROVENANCE, {}.get)
    assert fault_of_text((tmp_path / CONFIGURATION).read_text(), NOBODY) is None
    of_the_machine = {"results_dir", "launch", "compute", "bids"} | ({"raw"} if config.phantom is None else set())
    own = config.model_dump(mode="json", include=of_the_machine, exclude_none=True)
    write_json(tmp_path / "mine.json", own)
    assert load_config(CONFIG / "config.yaml", tmp_path / CONFIGURATION, tmp_path / "mine.json") == config
