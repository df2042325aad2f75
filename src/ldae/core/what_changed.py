"""What is new, changed and gone between two inventories of a user's data."""

from pathlib import Path

from ldae.core.files import escaped, read_tsv
from ldae.core.text_tables import listed

Inventory = dict[str, tuple]
"""Path of an image or a table -> everything that the inventory says of it."""


def inventory_at(path: Path) -> Inventory:
    """The rows of an inventory (with a column ``path``); none where there is none yet."""
    if not path.is_file():
        return {}
    rows = read_tsv(path, dtype=str).fillna("")
    return dict(zip(rows["path"], rows.itertuples(index=False, name=None), strict=True))


def what_changed(before: Inventory, after: Inventory) -> str:
    """``1 new (a/I1), 2 gone (b, c): put back what ...``; empty where nothing changed."""
    kinds = {
        "new": [path for path in after if path not in before],
        "changed": [path for path in after if path in before and before[path] != after[path]],
        "gone": [path for path in before if path not in after],
    }
    said = [f"{len(paths)} {kind} ({escaped(listed(paths))})" for kind, paths in kinds.items() if paths]
    return ", ".join(said) + (": put back what is gone by mistake before the next run" if kinds["gone"] else "")
