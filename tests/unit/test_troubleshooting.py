"""docs/troubleshooting.md quotes messages that the code has."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/troubleshooting.md").read_text(encoding="utf-8")
QUOTED = re.findall(r"^### `(.+)`$", PAGE, re.MULTILINE)
FOREIGN = re.findall(r"^### `(.+)` from Snakemake$", PAGE, re.MULTILINE)


def texts(tree: ast.AST) -> list[str]:
    """Every text in a module; what is filled in is a gap."""
    return [
        "".join(str(part.value) if isinstance(part, ast.Constant) else "…" for part in node.values)
        if isinstance(node, ast.JoinedStr)
        else node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Constant) and isinstance(node.value, str))
    ]


SAID = [text for path in (ROOT / "src").rglob("*.py") for text in texts(ast.parse(path.read_text(encoding="utf-8")))]


def test_every_quoted_message_is_said_by_the_code():
    assert len(QUOTED) > 25 and len(FOREIGN) == 2
    for message in QUOTED:
        wanted = re.compile(".*".join(re.escape(part.strip(" :")) for part in message.split("…")), re.DOTALL)
        assert any(wanted.search(text) for text in SAID), f"nothing says {message!r}"


def test_each_message_is_explained_once():
    assert len(set(QUOTED)) == len(QUOTED)
    for section in re.split(r"^### ", PAGE, flags=re.MULTILINE)[1:]:
        assert len(section.split("\n\n")[1].split()) > 8
