"""A model folder of which a part is missing, cut or edited: one sentence, never a traceback, wherever it is read."""

import json
import os
import shutil
from pathlib import Path

import pytest

from ldae.config.frozen import with_model
from ldae.core.errors import UserError
from ldae.core.model_places import FACTS, STAGES
from ldae.inference.facts import Facts
from ldae.inference.model import LDAE

WEIGHTS = [f"{stage}/model.safetensors" for stage in STAGES]
DESCRIBED = [f"{stage}/model.json" for stage in STAGES]


@pytest.fixture
def folder(exported, tmp_path) -> Path:
    """A model whose weights are the same files, not copies."""
    return Path(shutil.copytree(exported, tmp_path / "model", copy_function=os.link))


def replaced(path: Path, content: bytes) -> None:
    path.unlink()  # the link, not the file that others read
    path.write_bytes(content)


@pytest.mark.parametrize("name", [*FACTS, *WEIGHTS, *DESCRIBED])
def test_what_is_missing_or_cut_is_named(folder, name):
    path = folder / name
    content = path.read_bytes()
    for damaged in (content[: len(content) // 2], b"", b"\xff\xfe\x00"):
        replaced(path, damaged)
        with pytest.raises(UserError, match=path.name.replace(".", r"\.")):
            LDAE.load(folder)
    path.unlink()
    for read in (LDAE.load, lambda given: with_model({"model": str(given)})):
        if name == "config.json":
            with pytest.raises(UserError, match="is neither a folder that `ldae export-model` wrote nor"):
                read(folder)
        else:
            with pytest.raises(UserError, match=f"{name} is missing: .* is not the whole model; copy or export it"):
                read(folder)


def without_or_other(content: dict):
    """The content without each key, and with each value replaced."""
    yield from ([], None, {}, "text")
    for key in content:
        yield {name: value for name, value in content.items() if name != key}
        for other in (None, "x", [], {}, -1):
            yield content | {key: other}


@pytest.mark.parametrize("name", [name for name in (*FACTS, *DESCRIBED) if name.endswith(".json")])
def test_what_was_edited_is_one_sentence_or_does_not_matter(folder, name):
    path = folder / name
    refused = 0
    for content in without_or_other(json.loads(path.read_text())):
        replaced(path, json.dumps(content).encode())
        try:
            LDAE.load(folder)
            with_model({"model": str(folder)})
        except UserError as error:
            refused += 1
            assert str(error) and "\n" not in str(error)
    assert refused >= 4


def test_the_folder_model_of_a_results_folder_is_that_model(results):
    assert LDAE.load(results / "model").digest == LDAE.load(results).digest


def test_every_number_of_the_facts_is_read_when_they_are(folder):
    """What is missing is said before the first scan is worked on, not after it."""
    reference = json.loads((folder / "reference.json").read_text())
    for section in ("code", "image", "age"):
        for key in reference[section]:
            less = {name: value for name, value in reference[section].items() if name != key}
            replaced(folder / "reference.json", json.dumps(reference | {section: less}).encode())
            with pytest.raises(UserError, match="reference"):
                Facts.read(folder)
