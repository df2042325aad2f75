"""docs/tutorial.ipynb is what docs/tutorial.py says, executed, small, and of no machine."""

import importlib.util
import re
from pathlib import Path

import nbformat

DOCS = Path(__file__).parents[2] / "docs"
SAVED = DOCS / "tutorial.ipynb"


def writer():
    spec = importlib.util.spec_from_file_location("notebook", DOCS / "notebook.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_notebook_is_in_step_with_its_source():
    wanted = writer().cells((DOCS / "tutorial.py").read_text(encoding="utf-8"))
    saved = nbformat.read(SAVED, 4)
    assert [(cell.cell_type, cell.source) for cell in saved.cells] == wanted, "run `make tutorial`"
    assert {"Encode and reconstruct", "Vary", "Probe", "Scans of another cohort"} <= {
        text.splitlines()[0].removeprefix("## ") for kind, text in wanted if kind == "markdown"
    }


def test_it_keeps_its_pictures_and_is_small():
    saved = nbformat.read(SAVED, 4)
    assert SAVED.stat().st_size < 1_500_000
    outputs = [output for cell in saved.cells if cell.cell_type == "code" for output in cell.outputs]
    assert sum("image/png" in output.get("data", {}) for output in outputs) >= 9
    assert not [output for output in outputs if output.output_type == "error" or output.get("name") == "stderr"]


def test_it_names_no_folder_of_the_machine_it_was_executed_on():
    words = [output.get("text", "") + str(output.get("data", {}).get("text/html", "")) for output in _outputs()]
    assert not re.search(r"/(home|root|tmp|work|Users)/", " ".join(words))


def _outputs():
    return [out for cell in nbformat.read(SAVED, 4).cells if cell.cell_type == "code" for out in cell.outputs]
