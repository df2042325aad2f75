"""A model folder of which a part is missing, cut or edited: one sentence, never a traceback, wherever it is read."""

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from ldae.config.frozen import with_model
from ldae.core.errors import UserError
from ldae.core.files import sha256_file
from ldae.core.model_places import FACTS, STAGES, SUMS
from ldae.inference.facts import Facts
from ldae.inference.model import LDAE
from ldae.report.export_model import verify_model

WEIGHTS = [f"{stage}/model.safetensors" for stage in STAGES]
DESCRIBED = [f"{stage}/model.json" for stage in STAGES]


@pytest.fixture
def folder(exported, tmp_path) -> Path:
    """A model whose weights are the same files, not copies."""
    return Path(shutil.copytree(exported, tmp_path / "model", copy_function=os.link))


def replaced(path: Path, content: bytes, stated: bool = True) -> None:
    """``stated``: SHA256SUMS says so, too, as after an export that went wrong."""
    path.unlink()  # the link, not the file that others read
    path.write_bytes(content)
    sums = next(folder / SUMS for folder in path.parents if (folder / SUMS).is_file())
    if stated:
        name = path.relative_to(sums.parent).as_posix()
        lines = [line for line in sums.read_text().splitlines() if not line.endswith(f"  {name}")]
        sums.unlink()
        sums.write_text("\n".join([*lines, f"{sha256_file(path)}  {name}"]) + "\n")


@pytest.mark.parametrize("name", [*FACTS, *DESCRIBED])
def test_what_was_changed_since_the_export_is_refused(folder, name):
    """A byte that is as good as another, which nothing else would notice."""
    content = (folder / name).read_bytes()
    changed = content.rstrip() + b" \n" if name.endswith(".json") else content[:-1] + bytes([content[-1] ^ 1])
    replaced(folder / name, changed, stated=False)
    with pytest.raises(UserError, match=f"{name} is not the file that was exported: copy or export the model again"):
        LDAE.load(folder)
    (folder / SUMS).unlink()
    with pytest.raises(UserError, match=f"{SUMS} is missing"):
        LDAE.load(folder)


@pytest.mark.parametrize("change", ["short", "nan", "nothing", "no spread"])
def test_a_probe_that_cannot_be_asked_is_refused_when_it_is_read(folder, change):
    probes = json.loads((folder / "probes.json").read_text())
    one = probes["ad"]
    one["weight"] = {"short": one["weight"][:-1], "nan": [float("nan")] * len(one["weight"])}.get(change, one["weight"])
    one["weight"] = [0.0] * len(one["weight"]) if change == "nothing" else one["weight"]
    one["std"] = [0.0] * len(one["std"]) if change == "no spread" else one["std"]
    replaced(folder / "probes.json", json.dumps(probes).encode())
    with pytest.raises(UserError, match="ad is no probe of"):
        LDAE.load(folder)


@pytest.mark.parametrize("change", ["mean", "nan", "negative", "alarm"])
def test_a_reference_that_cannot_be_is_refused_when_it_is_read(folder, change):
    arrays, content = load_file(folder / "reference.safetensors"), json.loads((folder / "reference.json").read_text())
    arrays["mean"] = arrays["mean"][:-1] if change == "mean" else arrays["mean"]
    factor = {"nan": np.nan, "negative": -1.0}.get(change, 1.0)
    save_file(arrays | {"covariance": arrays["covariance"] * factor}, folder / "new")
    replaced(folder / "reference.safetensors", (folder / "new").read_bytes())
    content["alarm"] = float("inf") if change == "alarm" else content["alarm"]
    replaced(folder / "reference.json", json.dumps(content).encode())
    with pytest.raises(UserError, match="has no whole reference"):
        LDAE.load(folder)


@pytest.mark.parametrize("content", [[], {"ad": {}}, {"ad": None}, {"ad": {"mean": "x", "std": [], "weight": []}}])
def test_what_cannot_be_read_is_one_sentence_of_verify_model_too(folder, content):
    replaced(folder / "probes.json", json.dumps(content).encode())
    with pytest.raises(UserError, match=r"damaged|no probe of") as caught:
        verify_model(folder)
    assert "not the file that was exported" not in str(caught.value)


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
