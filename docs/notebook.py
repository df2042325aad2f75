"""docs/tutorial.ipynb from docs/tutorial.py, executed on the results of a finished run (``make tutorial``).

Text and code of the notebook stand in tutorial.py, whose cells begin with ``# %%``; a test holds the two together.
"""

import os
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
LIMIT_S = 600  # of one cell


def cells(source: str) -> list[tuple[str, str]]:
    """(kind, text) of every cell of a script in the percent format: ``markdown`` or ``code``."""
    found = []
    for part in f"\n{source}".split("\n# %%")[1:]:
        head, _, body = part.partition("\n")
        if "[markdown]" in head:
            lines = [line.removeprefix("#").removeprefix(" ") for line in body.strip().splitlines()]
            found.append(("markdown", "\n".join(lines)))
        else:
            found.append(("code", body.strip()))
    return found


def notebook(source: str) -> Any:
    """The notebook, not executed yet; equal sources give equal bytes."""
    from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

    made = {"markdown": new_markdown_cell, "code": new_code_cell}
    parts = [made[kind](text, id=f"cell-{place:02d}") for place, (kind, text) in enumerate(cells(source))]
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    return new_notebook(cells=parts, metadata={"kernelspec": kernel, "language_info": {"name": "python"}})


def execute(source: str, results: Path) -> Any:
    """The notebook with its output, without the times at which its cells ran and without what they wrote to stderr."""
    from nbclient import NotebookClient

    os.environ["RESULTS"] = str(results.resolve())
    made = notebook(source)
    NotebookClient(made, timeout=LIMIT_S, kernel_name="python3", resources={"metadata": {"path": str(HERE)}}).execute()
    for cell in made.cells:
        cell.metadata.pop("execution", None)
        if cell.cell_type == "code":  # progress and warnings name folders of the machine
            cell.outputs = [output for output in cell.outputs if output.get("name") != "stderr"]
    made.metadata["language_info"] = {"name": "python"}
    return made


def main() -> None:
    """``python docs/notebook.py RESULTS OUT``."""
    import nbformat

    results, out = map(Path, sys.argv[1:3])
    nbformat.write(execute((HERE / "tutorial.py").read_text(encoding="utf-8"), results), out)


if __name__ == "__main__":
    main()
