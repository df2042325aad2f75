"""The records of the studies: complete, light, and refused in one sentence where they do not fit together."""

import os
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from types import SimpleNamespace

import pytest

from ldae.core.closure import PACKAGE, Code
from ldae.core.errors import UserError
from ldae.studies.common.study import Card, Figure, FinishedTable, Headline, Section, Study, Table
from ldae.studies.registry import STUDIES, checked, figures, missing, public, require_rules, tables

FIGURE = Figure("figure_toy", public=False, title="Toy", text="A toy.", alternative="A picture of a toy.")
TOY = Study("toy", 10, (Section("toy", "Toy", (FIGURE,)),), (Table("toy", public=True),))
OTHER = Study("other", 20)


def test_the_records_are_light():
    code = (
        "import sys, ldae.studies.registry\n"
        "print(*{'numpy', 'pandas', 'torch', 'matplotlib', 'jinja2', 'snakemake', 'pydantic'} & sys.modules.keys())"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == ""


def test_whoever_reads_the_registry_is_planned_by_every_record_and_no_measurement_is():
    code = Code()
    records = {f"ldae.studies.{study.name}.record" for study in STUDIES}
    assert records <= set(code.closure("ldae.studies.registry"))
    assert records <= set(code.closure("ldae.report.html"))
    measures = [name for name in code.paths if name.startswith("ldae.studies.") and name.endswith(".measure")]
    assert measures
    for name in measures:
        assert not [module for module in code.closure(name) if module.endswith((".record", ".registry"))]


def test_studies_stand_in_their_order():
    assert [study.name for study in checked([OTHER, TOY], [])] == ["toy", "other"]
    assert [study.order for study in STUDIES] == sorted(study.order for study in STUDIES)


def test_what_is_public_is_decided_by_each_figure_and_table():
    assert public(figures([TOY])) == () and public(tables([TOY])) == ("toy",)
    with pytest.raises(TypeError, match="public"):
        Table("undecided")
    with pytest.raises(TypeError, match="public"):
        Figure("undecided", title="", text="", alternative="")


SHOWN_TWICE = Section("second", "Second", (replace(FIGURE, title="Another"),))


@pytest.mark.parametrize(
    ("other", "sentence"),
    [
        (replace(OTHER, order=10), "the order 10 is given twice"),
        (replace(OTHER, sections=(SHOWN_TWICE,)), "the figure figure_toy is given twice"),
        (replace(OTHER, tables=(Table("toy", public=False),)), "the table toy is given twice"),
        (replace(OTHER, sections=(Section("toy", "Again", ()),)), "the section toy is given twice"),
        (replace(OTHER, headline=(Headline("a", "", "m", "x"),) * 2), "the headline key a is given twice"),
        (replace(OTHER, cards=(Card(10, "", "", "m", ("x",)),) * 2), "the order of a card 10 is given twice"),
        (
            replace(OTHER, sections=(Section("other", "Other", (FinishedTable("nobodys", "A table"),)),)),
            "studies/other/record.py shows the table nobodys, which no study has among its tables",
        ),
        (replace(OTHER, sections=(Section("An other", "Other", ()),)), "the anchor 'An other'"),
        (
            replace(OTHER, sections=(Section("a", "A", (replace(FIGURE, name="Toy"),)),)),
            "a figure is called figure_<lower",
        ),
        (replace(OTHER, tables=(Table("a", public=True, folder="timings"),)), "in 'timings' and not public"),
        (replace(OTHER, tables=(Table("a", public=False, folder="notes"),)), "the table a in the folder 'notes'"),
        (replace(OTHER, sections=(Section("run", "Run", ()),)), "the report has a section 'run' of its own"),
        (replace(OTHER, tables=Table("a", public=False)), r"other/record.py: tables must be a tuple"),
        (replace(OTHER, sections=Section("a", "A", ())), "sections must be a tuple"),
        (replace(OTHER, sections=(Section("a", "A", FIGURE),)), "what section a shows must be a tuple"),
        (replace(OTHER, needs=frozenset({"luck"})), "needs 'luck'; what can be needed is diagnosis, training, truth"),
    ],
)
def test_records_that_do_not_fit_are_refused_in_a_sentence(other, sentence):
    checked([TOY, OTHER], [])
    with pytest.raises(UserError, match=sentence) as refusal:
        checked([TOY, other], [])
    assert len(str(refusal.value).splitlines()) == 1


def test_a_folder_without_a_record_is_named():
    with pytest.raises(UserError, match=r"studies/forgotten has no record\.py"):
        checked([TOY], ["toy", "forgotten"])


@pytest.mark.parametrize(
    ("files", "sentence"),
    [
        ({"records.py": "STUDY = None\n"}, r"studies/lost has no record\.py"),
        ({"record.py": "STUDY = None\n"}, r"its STUDY must be a Study with the name 'lost'"),
        (
            {"record.py": "\nfrom ldae.core.keys import nothing\n"},
            r"^studies/lost/record\.py, line 2 cannot be read: Imp",
        ),
        (
            {"record.py": "from ldae.studies.common.study import Table\nTABLE = Table('a')\n"},
            r"^studies/lost/record\.py, line 2 cannot be read: TypeError: .*'public'",
        ),
    ],
)
def test_a_record_that_cannot_be_read_is_named(tmp_path, files, sentence):
    """In a copy of the package, with a folder more and no ``__init__.py`` in it."""
    shutil.copytree(PACKAGE, tmp_path / "ldae")
    for name, content in files.items():
        (tmp_path / "ldae/studies/lost").mkdir(exist_ok=True)
        (tmp_path / "ldae/studies/lost" / name).write_text(content)
    code = (
        "from ldae.core.errors import UserError\n"
        "try:\n    import ldae.studies.registry\nexcept UserError as error:\n    print(error)"
    )
    run = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert re.search(sentence, run.stdout) and len(run.stdout.splitlines()) == 1


def test_a_study_without_rules_is_named(tmp_path):
    for study in STUDIES[1:]:
        (tmp_path / f"{study.name}.smk").touch()
    with pytest.raises(UserError, match=rf"{STUDIES[0].name}\.smk is missing"):
        require_rules(tmp_path)


def test_what_a_study_needs_is_missing_with_a_reason():
    labels, truth = (SimpleNamespace(manifest=SimpleNamespace(require_diagnosis=known)) for known in (True, False))
    labels.phantom, truth.phantom = None, object()
    needy = replace(TOY, needs=frozenset({"diagnosis"}))
    assert missing(needy, labels) is None and "require_diagnosis" in missing(needy, truth)
    assert missing(TOY, truth) is None
    assert "phantoms alone" in missing(replace(TOY, needs=frozenset({"truth"})), labels)
