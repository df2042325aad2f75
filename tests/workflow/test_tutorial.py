"""The tutorial runs from top to bottom on the results of the smoke chain."""

import importlib.util

import pytest
from chain import ROOT


@pytest.mark.slow
def test_the_tutorial_runs_on_the_smoke_chain(smoke):
    spec = importlib.util.spec_from_file_location("notebook", ROOT / "docs/notebook.py")
    notebook = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(notebook)
    source = (ROOT / "docs/tutorial.py").read_text(encoding="utf-8")
    done = notebook.execute(source, smoke.folder / "results/smoke")  # raises where a cell does
    outputs = [output for cell in done.cells if cell.cell_type == "code" for output in cell.outputs]
    said = "".join(output.get("text", "") for output in outputs)
    assert "largest difference to the volume of the workflow: 0.0" in said
    assert sum("image/png" in output.get("data", {}) for output in outputs) == 9
