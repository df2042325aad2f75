"""A training that starts from the weights of another run: what it takes over, what it refuses, what is said of it."""

import json
import shutil

import pytest
import torch
from results_folder import ALL, FIRST, Results
from safetensors.torch import load_file
from tiny import METHOD, copied, train

from ldae.config import Autoencoder, Dae, Diffusion, Representation, load_config
from ldae.core.errors import UserError
from ldae.core.files import read_json, sha256_file
from ldae.core.lineage import MADE_FROM
from ldae.core.scans import read_splits
from ldae.training.extension import start_digest
from ldae.training.planning import to_train, unmet
from ldae.training.warm_start import MEASURED_HERE, SEEN, start_sentences

FEW = 2
SECTIONS = {"autoencoder": Autoencoder, "diffusion": Diffusion, "dae": Dae} | dict.fromkeys(
    ("representation", "supervised_ad", "supervised_age"), Representation
)
OTHERS = {f"sub-9{i}": split for i, split in enumerate(FIRST.values())}  # nobody of FIRST


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> tuple[Results, Results]:
    """A run of other subjects, and one from which all models but stages 1 and 2 are still to be trained."""
    folder = tmp_path_factory.mktemp("warm")
    source, ours = Results(folder / "source"), Results(folder / "ours")
    source.pack(OTHERS)
    source.train(steps=FEW)
    ours.pack(FIRST)
    ours.train("autoencoder", "diffusion", steps=FEW)
    return source, ours


@pytest.fixture
def source(made, tmp_path) -> Results:
    return Results(copied(made[0].folder, tmp_path / "source"))


@pytest.fixture
def ours(made, tmp_path) -> Results:
    return Results(copied(made[1].folder, tmp_path / "ours"))


def sentences(results: Results) -> list[str]:
    return start_sentences(results.folder / "train", read_splits(results.folder / "manifest/splits.tsv"))


@pytest.mark.parametrize("stage", MADE_FROM)
def test_before_its_first_step_the_network_is_the_source(source, ours, monkeypatch, stage):
    """Every stage; what is measured on the training scans is measured here."""
    begun = []

    def look(trained, *rest):
        begun.append({name: tensor.clone() for name, tensor in trained.product.state_dict().items()})
        raise KeyboardInterrupt

    shutil.rmtree(ours.model(stage), ignore_errors=True)
    monkeypatch.setattr("ldae.training.assignment.train", look)
    for given in ({}, {"init_from": str(source.folder)}):
        with pytest.raises(KeyboardInterrupt):
            ours.train(stage, steps=FEW, **given)
    random, warm = begun
    weights, own = load_file(source.model(stage) / "model.safetensors"), MEASURED_HERE.get(stage, ("no such name",))
    assert weights.keys() == warm.keys()
    for name in weights:
        assert torch.equal(warm[name], (random if name.startswith(own) else weights)[name]), name
    assert not all(torch.equal(warm[name], random[name]) for name in weights)


def test_provenance_and_resumption_and_a_source_that_is_gone(source, ours, tmp_path, monkeypatch):
    given = {"init_from": str(source.model("dae")), "steps": FEW}
    ours.train("dae", **given)
    digest, described = (
        read_json(source.model("dae") / "model.json")["digest"],
        read_json(ours.model("dae") / "model.json"),
    )
    assert described["inputs"]["init_from"] == digest
    assert described["init_from"] == {"digest": digest, "subjects": 3, "subjects_complete": True, "test_subjects": 0}
    assert (ours.model("dae") / SEEN).read_text().split() == ["participant_id", "sub-90", "sub-91", "sub-92"]
    [said] = sentences(ours)
    assert said.startswith(f"The model of dae ({described['digest']}) started from the weights {digest}")
    assert "3 subjects, by name no test subject" in said
    ours.train("dae", steps=4, init_from=given["init_from"])
    [started, extended] = sentences(ours)
    assert started.startswith("The model of dae") and "was extended from step 2" in extended
    moved = source.folder.rename(tmp_path / "moved")
    with monkeypatch.context() as patch:
        patch.setattr("ldae.training.assignment.train", None)
        ours.train("dae", steps=4, init_from=given["init_from"])  # delivered again
        ours.train("dae", steps=4, init_from=str(moved))  # the same weights in another place
        before = ours.weights_of("dae")
        with pytest.raises(UserError, match=r"dae\.training\.init_from: .* does not exist"):
            ours.train("dae", steps=4, init_from=given["init_from"], learning_rate=2e-3)
    ours.train("dae", steps=4)  # at random
    assert ours.weights_of("dae") != before and sentences(ours) == []
    assert not (ours.model("dae") / SEEN).exists()


def test_other_weights_of_the_source_are_another_training(source, ours):
    ours.train("dae", init_from=str(source.folder), steps=FEW)
    before = ours.weights_of("dae")
    source.train("dae", steps=FEW, learning_rate=2e-3)
    ours.train("dae", init_from=str(source.folder), steps=FEW)
    [aside] = (ours.model("dae") / "replaced").iterdir()
    assert sha256_file(aside / "model.safetensors") == before != ours.weights_of("dae")
    assert (aside / SEEN).is_file()


def test_test_subjects_among_the_sources_are_refused_or_said(made, ours, tmp_path):
    """Those of the source itself, and those of what the source started from."""
    tester = "sub-3"
    for name, splits in (("direct", OTHERS | {tester: "train"}), ("through", OTHERS)):
        source = Results(tmp_path / name)
        source.pack(splits)
        more = {} if name == "direct" else {"init_from": str(tmp_path / "direct")}
        source.train("dae", steps=FEW, **more)
    for name in ("direct", "through"):
        given = {"init_from": str(tmp_path / name), "steps": FEW}
        with pytest.raises(UserError, match=rf"1 of the test subjects \({tester}\).*init_seen_test: allow"):
            ours.train("dae", **given)
        ours.train("dae", **given, init_seen_test="allow")
        [said] = sentences(ours)
        assert said.startswith("CONTAMINATED: ") and "1 of this run's test subjects" in said
        assert tester not in said and tester not in (ours.model("dae") / "model.json").read_text()
        shutil.rmtree(ours.model("dae"))


def test_a_subject_that_comes_into_the_test_split_later_is_found(source, ours, monkeypatch):
    ours.train("dae", init_from=str(source.folder), steps=FEW)
    ours.pack(FIRST | {"sub-90": "test"})
    monkeypatch.setattr("ldae.training.assignment.train", None)
    with pytest.raises(UserError, match=r"1 of the test subjects \(sub-90\)"):
        ours.train("dae", init_from=str(source.folder), steps=FEW)
    ours.train("dae", init_from=str(source.folder), steps=FEW, init_seen_test="allow")
    assert sentences(ours)[0].startswith("CONTAMINATED: ")


def test_unknown_subjects_are_said_loudly_and_stay_unknown(source, ours, tmp_path):
    (source.model("dae") / "scans.tsv").unlink()
    ours.train("dae", init_from=str(source.folder), steps=FEW)
    assert sentences(ours)[0].startswith("SUBJECTS UNKNOWN: ")
    third = Results(tmp_path / "third")
    third.pack({f"sub-7{i}": split for i, split in enumerate(FIRST.values())})
    third.train("dae", init_from=str(ours.folder), steps=FEW)
    assert sentences(third)[0].startswith("SUBJECTS UNKNOWN: ")


def configuration(results: Results, path, **training: dict):
    """The configuration that the trainings of a results folder were made with, with more for some of them."""
    sections = {}
    for stage, section in ALL.items():
        asked = section["training"] | {"steps": FEW, "validate_every": 2} | training.get(stage, {})
        sections[stage] = SECTIONS[stage].model_validate(section | {"training": asked}).model_dump(mode="json")
    for stage in ("supervised_ad", "supervised_age"):
        sections[stage] = {"training": sections[stage]["training"]}
    content = {"seed": 1, "results_dir": str(results.folder), "phantom": None, "method": METHOD["representation"]}
    content |= {"raw": {"images": str(path), "tables": str(path)}}
    (path / "overlay.yaml").write_text(json.dumps(content | sections))
    return load_config("config/config.yaml", "config/small_networks.yaml", path / "overlay.yaml")


def test_planning_names_what_is_missing_and_the_first_difference(source, ours, tmp_path):
    def planned(stage: str, given) -> list[str]:
        config = configuration(ours, tmp_path, **{stage: {"init_from": str(given)}})
        return [sentence for sentence in unmet(config, {}) if "init_from" in sentence]

    assert planned("dae", source.folder) == planned("dae", source.folder / "train") == []
    assert planned("representation", source.model("representation")) == []
    [absent] = planned("dae", tmp_path / "nowhere")
    assert absent.startswith(f"dae.training.init_from: {tmp_path / 'nowhere'} does not exist; give")
    [other] = planned("dae", source.model("diffusion"))
    assert other.endswith("holds a model of diffusion, not of dae.")
    [own] = planned("autoencoder", ours.folder)
    assert "is what this training itself writes" in own
    for stage, section, key, value in (
        ("dae", "dae", "channels", 16),
        ("supervised_age", "supervised_age", "dimension", 4),
        ("representation", "diffusion", "multipliers", [1, 4]),
    ):
        path = source.model(section) / "model.json"
        content = read_json(path)
        path.write_text(json.dumps(content | {"settings": content["settings"] | {key: value}}))
        [sentence] = planned(stage, source.folder)
        assert (
            f"is of another architecture: {section.replace('supervised_age', 'representation')}.{key} is {value} there"
            in sentence
        )
        path.write_text(json.dumps(content))
    flipped = read_json(source.model("dae") / "model.json")
    flipped["grid"] |= {"axes": "LAS"}
    (source.model("dae") / "model.json").write_text(json.dumps(flipped))
    [turned] = planned("dae", source.folder)
    assert "axes LAS, ours have RAS" in turned


def test_the_job_says_what_planning_cannot_see(source, ours):
    """Weights of another shape under the same settings, and others than model.json describes."""
    from safetensors.torch import save_file

    path = source.model("dae") / "model.safetensors"
    weights = load_file(path)
    name = sorted(weights)[0]
    save_file(weights | {name: torch.zeros(3, 5)}, path)
    with pytest.raises(UserError, match="has digest"):
        ours.train("dae", init_from=str(source.folder), steps=FEW)
    described = read_json(path.with_name("model.json"))
    path.with_name("model.json").write_text(json.dumps(described | {"digest": sha256_file(path)[:16]}))
    with pytest.raises(UserError, match=rf"does not fit the network of this configuration: size mismatch for {name}"):
        ours.train("dae", init_from=str(source.folder), steps=FEW)


def test_the_digest_of_the_source_is_a_parameter_of_the_rule(source, ours, tmp_path):
    """Snakemake plans a training whose source was trained again; with its source gone a finished one stays."""
    given = {"dae": {"init_from": str(source.folder)}}
    config = configuration(ours, tmp_path, **given)
    first = start_digest(config, "dae")
    assert first == read_json(source.model("dae") / "model.json")["digest"] and "dae" in to_train(config)
    settings = json.loads(config.dae.model_dump_json())
    train("dae", ours.arguments("dae") | {"settings": settings})
    assert "dae" not in to_train(config)
    source.train("dae", steps=FEW, learning_rate=2e-3)
    assert start_digest(config, "dae") != first and "dae" in to_train(config)
    shutil.rmtree(source.folder)
    assert start_digest(config, "dae") == first and "dae" not in to_train(config)
    assert list(unmet(config, {})) == []


def test_two_starts_of_one_autoencoder_are_refused(ours, tmp_path):
    sections = configuration(ours, tmp_path).section("autoencoder") | {"pretrained": "weights.safetensors"}
    sections["training"]["init_from"] = "results/other"
    (tmp_path / "two.yaml").write_text(json.dumps({"autoencoder": sections}))
    with pytest.raises(UserError, match=r"autoencoder: pretrained and training\.init_from both say where to start"):
        load_config("config/config.yaml", tmp_path / "two.yaml")
