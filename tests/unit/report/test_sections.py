"""The report shows what the records of the studies say, and says why a study cannot be had."""

from dataclasses import replace
from importlib import import_module

import pandas as pd
import pytest
from jinja2 import Environment, PackageLoader, StrictUndefined

from ldae.config import parse_config
from ldae.core.errors import UserError
from ldae.core.files import write_tsv
from ldae.report.estimates import assemble_headline
from ldae.report.html import Setter
from ldae.studies.common.study import Figure, FinishedTable, Note, Section, Study, Table, Written
from ldae.studies.registry import STUDIES

FIGURE = Figure(
    "figure_spinning", public=False, title="A toy", text="It <em>spins</em>.", alternative="A spinning top."
)
TOY = Study("spinning", 100, (Section("spinning", "A toy", (FIGURE, Note("A <b>note</b>.")), link="Top"),))


@pytest.fixture
def environment():
    return Environment(loader=PackageLoader("ldae.report"), autoescape=True, undefined=StrictUndefined)


def test_a_record_is_a_section(environment, sources, config):
    (section,) = Setter(environment, sources).sections(config, [TOY])
    assert (section.anchor, section.title, section.link) == ("spinning", "A toy", "Top")
    figure, note = section.blocks
    assert "It <em>spins</em>." in figure and "was not made in this run" in figure
    assert "A <b>note</b>." in note


def test_what_is_not_public_is_withheld_from_a_public_report(environment, sources, config, tmp_path):
    shows = (FIGURE, FinishedTable("private", "Names"), FinishedTable("open", "Numbers"))
    tables = (Table("private", public=False), Table("open", public=True))
    toy = replace(TOY, sections=(Section("spinning", "A toy", shows),), tables=tables)
    for name in ("private", "open"):
        write_tsv(tmp_path / f"{name}.tsv", pd.DataFrame({"method": [f"{name}-seven"]}))
    for public in (False, True):
        setter = Setter(environment, replace(sources, tables=tmp_path), public)
        figure, private, open_to_all = setter.sections(config, [toy])[0].blocks
        assert ("stays with the data" in figure) == ("stays with the data" in private) == public
        assert ("private-seven" in private) != public and "open-seven" in open_to_all


def test_a_study_whose_inputs_do_not_exist_is_not_available_with_the_reason(environment, sources, config, tmp_path):
    needy = replace(TOY, needs=frozenset({"truth"}))
    (section,) = Setter(environment, sources).sections(config, [needy])  # of a phantom
    assert len(section.blocks) == 2
    real = parse_config(config.model_dump() | {"source": "bids", "bids": {"path": "x"}, "phantom": None})
    (section,) = Setter(environment, sources).sections(real, [needy])
    assert section.blocks == ['<p class="absent">n/a: the truth is known of phantoms alone.</p>']
    numbers = assemble_headline(tmp_path, "abc", "adni", {"manipulation": "the truth is known of phantoms alone"})
    assert numbers["ventricle_ml_change_plus_ad"] == {"value": None, "reason": "the truth is known of phantoms alone"}
    assert numbers["auc_ad_cv"]["reason"] == "the study was not run"


def test_every_function_that_a_record_names_is_there():
    named = {(study.name, item.function) for study in STUDIES for item in study.shows if isinstance(item, Written)}
    assert named
    for study, function in named:
        assert callable(getattr(import_module(f"ldae.studies.{study}.words"), function))


def test_a_function_that_is_not_there_is_refused_by_name(environment, sources, config):
    wrong = replace(TOY, sections=(Section("spinning", "A toy", (Written("hum"),)),))
    with pytest.raises(UserError, match=r"studies/spinning/words\.py has no hum"):
        Setter(environment, sources).sections(config, [wrong])
