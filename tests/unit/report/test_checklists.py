"""Checklists answer what the run did, leave open what it cannot know, and may leave the machine."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from ldae.cohort.splits import SPLITS
from ldae.config import load_config
from ldae.report.checklists import OPEN, PARTS, _content, checklists, facts, write_checklists
from ldae.report.identifiers import NOBODY
from ldae.report.leaving import fault_of_text
from ldae.studies.common.study import ReportSources

CONFIG = Path(__file__).parents[3] / "config"
PAPER, DEMO = ("config",), ("config", "small_networks", "demo")
NOWHERE = ReportSources(
    *[Path("nowhere")] * 5, provenance={}, split_subjects={"train": 90, "validation": 15, "test": 20}
)
NUMBERED = {
    "TRIPOD+AI": re.findall(
        r"\w+",
        "1 2 3a 3b 3c 4 5a 5b 6a 6b 6c 7 8a 8b 8c 9a 9b 9c 10 11 12a 12b 12c 12d 12e 12f 12g 13 14 15 16 17 "
        "18a 18b 18c 18d 18e 18f 19 20a 20b 20c 21 22 23a 23b 24 25 26 27a 27b 27c",
    ),
    "CLAIM": [str(number) for number in range(1, 43)],
}


def configured(*names: str):
    return load_config(*(CONFIG / f"{name}.yaml" for name in names))


def answers(config, sources=NOWHERE) -> dict[str, str]:
    return {
        f"{name} {item.number}": item.words for name, items in checklists(config, sources).items() for item in items
    }


def test_every_item_of_the_guidelines_stands_once_and_in_order():
    found = checklists(configured(*DEMO), NOWHERE)
    assert {name: [item.number for item in items] for name, items in found.items()} == NUMBERED


def test_what_only_authors_know_is_open_whatever_ran():
    for names in (PAPER, DEMO, ("config", "csv_example")):
        said = answers(configured(*names))
        for item in ("17", "18a", "18b", "18c", "18d", "19"):  # approval, funding, conflicts, protocol, registration
            assert said[f"TRIPOD+AI {item}"] == OPEN
        assert said["CLAIM 42"] == OPEN and OPEN in said["TRIPOD+AI 5a"]


def test_answers_follow_the_run():
    config = configured(*PAPER)
    said = answers(config)
    assert "subjects: 90 for training, 15 for validation, 20 for testing" in said["TRIPOD+AI 12a"]
    assert f"y_sem, {config.representation.dimension} numbers" in said["TRIPOD+AI 9b"]
    assert "retrospective" in said["CLAIM 5"] and "synthetic" not in said["CLAIM 7"]
    assert "synthetic" in answers(configured(*DEMO))["CLAIM 7"]
    assert "preprocessed elsewhere" in answers(configured("config", "csv_example"))["CLAIM 9"]
    assert said["CLAIM 24"] == f"At random from seed {config.seed}."
    taken = answers(config, replace(NOWHERE, imported=["autoencoder"]))
    assert taken["CLAIM 24"].endswith("apart from published weights of autoencoder.")


def test_without_labels_nothing_is_said_of_a_diagnosis():
    config = configured(*PAPER)
    unlabelled = config.model_copy(update={"manifest": config.manifest.model_copy(update={"require_diagnosis": False})})
    said = answers(unlabelled)
    assert said["TRIPOD+AI 13"] == OPEN and said["TRIPOD+AI 23b"] == OPEN  # no classes, no calibration by site
    assert not any("probability of AD" in words or "Brier" in words for words in said.values())


@pytest.mark.parametrize("names", [PAPER, DEMO, ("config", "oasis3"), ("config", "csv_example")], ids="-".join)
def test_the_file_counts_its_items_and_may_leave(names, tmp_path):
    path = tmp_path / "CHECKLIST.md"
    write_checklists(path, configured(*names), NOWHERE)
    text = path.read_text(encoding="utf-8")
    counts = re.findall(r"Of (\d+) items (\d+) are answered, (\d+) in part, (\d+) open", text)
    assert [count[0] for count in counts] == ["52", "42"]
    rows = re.findall(r"^- \*\*\w+\*\* \*[^*]+\*: (.+)$", text, re.MULTILINE)
    assert len(rows) == 94
    assert sum(int(count[3]) for count in counts) == sum(row == OPEN for row in rows)
    assert sum(int(count[1]) for count in counts) == sum(OPEN not in row for row in rows)
    assert fault_of_text(text, NOBODY) is None


def with_settings(config, section: str, **values):
    return config.model_copy(update={section: getattr(config, section).model_copy(update=values)})


def frozen(config):
    return config.model_copy(update={"model": Path("model")})


def test_parts_of_the_split_go_by_their_own_names_and_few_people_by_no_number():
    assert tuple(PARTS) == SPLITS
    few = replace(NOWHERE, split_subjects={"validation": 3, "train": 90})
    assert "(subjects: 90 for training, fewer than 10 for validation)" in answers(configured(*PAPER), few)["CLAIM 21"]
    assert "(subjects: 90 for training, 3 for validation)" in answers(configured(*DEMO), few)["CLAIM 21"]


def test_what_is_said_of_the_split_is_true_of_it():
    config = configured(*PAPER)
    assert "Folds and split are stratified" in answers(config)["TRIPOD+AI 13"]
    dealt = answers(with_settings(config, "splits", protocol="paper"))["TRIPOD+AI 13"]
    assert "the split is not" in dealt and "Folds and split" not in dealt
    held = answers(with_settings(config, "splits", hold_out={"site": ["002"]}))
    assert "held out, whatever their diagnosis" in held["TRIPOD+AI 13"] and "splits.hold_out" in held["CLAIM 20"]
    assert "stratified" not in answers(frozen(config))["TRIPOD+AI 13"]  # nothing was dealt


def test_what_did_not_start_at_random_is_said_and_what_it_had_seen_is_not_promised():
    config = configured(*PAPER)
    promise = "of what is measured on test subjects"
    assert promise in answers(config)["CLAIM 26"] and "One model of each kind" in answers(config)["CLAIM 25"]
    backbone = with_settings(config, "representation", backbone_weights=Path("weights"))
    training = config.diffusion.training.model_copy(update={"init_from": Path("other")})
    for other, words in (
        (backbone, "apart from ImageNet weights of the semantic encoder's backbone"),
        (
            with_settings(config, "diffusion", training=training),
            "weights of earlier models, which the report names, of",
        ),
        (with_settings(config, "autoencoder", pretrained=Path("weights")), "given weights of the autoencoder"),
    ):
        said = answers(other)
        assert words in said["CLAIM 24"] and promise not in said["CLAIM 26"]
    said = answers(config, replace(NOWHERE, imported=["autoencoder"]))
    assert promise not in said["CLAIM 26"] and "One model of each kind" not in said["CLAIM 25"]
    assert "taken over (autoencoder)" in said["CLAIM 25"] and "taken over (autoencoder)" in said["TRIPOD+AI 4"]


def test_labels_and_values_that_were_read_or_filled_in_are_said():
    config = configured(*PAPER)
    assert config.baselines and "supervised encoders" in answers(config)["TRIPOD+AI 4"]
    assert "supervised" not in answers(config.model_copy(update={"baselines": False}))["TRIPOD+AI 4"]
    assert "is, where it is missing, the mean" in answers(config)["TRIPOD+AI 11"]
    assert "registration." in answers(configured("config", "csv_example"))["CLAIM 9"]
    said = answers(frozen(config))
    assert (
        "probes of this run" not in said["TRIPOD+AI 12g"] and said["CLAIM 30"] == OPEN
    )  # confounds: nothing is fitted


def test_no_condition_is_misspelled():
    paper = configured(*PAPER)
    configs = [paper, configured(*DEMO), configured("config", "csv_example"), frozen(paper)]
    configs += [
        with_settings(paper, "splits", hold_out={"site": ["002"]}),
        with_settings(paper, "splits", protocol="paper"),
    ]
    configs += [with_settings(config, "manifest", require_diagnosis=False) for config in configs]
    taken = replace(NOWHERE, imported=["autoencoder"], external=Path("external.tsv"))
    known = {one for config in configs for sources in (NOWHERE, taken) for one in facts(config, sources)[1]}
    used = {when for parts in _content()["answers"].values() for part in parts for when in part.get("when", [])}
    assert used <= known
    items = [item for guideline in _content()["guidelines"].values() for item in guideline["items"]]
    assert all(item.keys() <= {"item", "asks", "answer", "authors"} for item in items)  # a comma makes a key in YAML
    named = {item.get("answer") for item in items}
    assert named - {None} == _content()["answers"].keys()
