"""docs/architecture.md: the picture shows the layers, and its walks lead through files that exist and are run."""

import importlib.util
import re
from pathlib import Path

import pytest
from test_reading_lists import STEP, TABLE_7

from ldae.core.closure import Code

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "architecture.md"
TEXT = PAGE.read_text(encoding="utf-8")
WALKS = {  # name -> adapters of the rules that take it
    "scan": (
        *("convert_adni_to_bids", "build_manifest", "correct_bias_field", "extract_brain"),
        *("register_mni", "qc_scans", "pack_volumes"),
    ),
    "step": ("train_representation",),
    "cell": ("fit_probes", "table_probes"),
}
LISTS = {"step": STEP, "cell": TABLE_7}  # another test follows every name through these


def files_of(walk: str) -> list[Path]:
    """The files that a walk links, in its order: its numbered list, which has no empty line."""
    after = TEXT.split(f"<!-- walk: {walk} -->")[1].strip().split("\n\n")[0]
    return [(PAGE.parent / link).resolve() for link in re.findall(r"\]\(([^)]+\.py)\)", after)]


def module_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT / "src").with_suffix("").parts)


def test_the_picture_is_in_step_with_the_layers():
    spec = importlib.util.spec_from_file_location("layers_picture", ROOT / "docs" / "layers_picture.py")
    drawing = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(drawing)
    assert (ROOT / "docs" / "images" / "layers.svg").read_text(encoding="utf-8") == drawing.picture(), "run `make docs`"
    names = [name for row in drawing.layers() for name in row]
    assert len(names) == len(set(names)) > 10
    assert all(f">{name}</text>" in drawing.picture() for name in names)


def test_everything_that_the_page_names_is_there():
    links = [link for link in re.findall(r"\]\(([^)#]+)", TEXT) if "://" not in link]
    named = [ROOT / name for name in re.findall(r"`(src/ldae/[\w/]+\.py)`", TEXT)]
    assert links
    assert not [link for link in links if not (PAGE.parent / link).exists()]
    assert not [path for path in named if not path.is_file()]


@pytest.mark.parametrize("walk", WALKS)
def test_a_walk_leads_through_what_its_rules_run(walk):
    files, code = files_of(walk), Code()
    assert len(files) == len(set(files)) > 5
    adapters = [path for name in WALKS[walk] for path in (ROOT / "workflow" / "scripts").rglob(f"{name}.py")]
    assert len(adapters) == len(WALKS[walk])
    run = set().union(*(code.closure(path) for path in adapters))
    assert {module_of(path) for path in files} <= run


@pytest.mark.parametrize("walk", LISTS)
def test_a_walk_is_the_list_of_what_there_is_to_read(walk):
    assert {module_of(path) for path in files_of(walk)} == set(LISTS[walk])
