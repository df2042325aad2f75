"""Which models timm has, looked for in its text: to import it takes seconds, and a wrong name would be found after days
of stages 1 and 2."""

import re
from collections.abc import Iterator
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from ldae.core.names import did_you_mean

REGISTERED = re.compile(r"@register_model\n(?:@.*\n)*def (\w+)\(")
DEPRECATED = re.compile(r"register_model_deprecations\(__name__, \{(.*?)\}\)", re.DOTALL)
MADE = "default_cfgs["  # a module that makes some names of weights while it is imported
KEY = re.compile(r"""['"](\w+)['"]:""")


def texts() -> Iterator[str]:
    """The modules in which timm defines its models."""
    spec = find_spec("timm")
    assert spec is not None and spec.submodule_search_locations  # timm is a package that ours needs
    for path in sorted((Path(spec.submodule_search_locations[0]) / "models").glob("*.py")):
        yield path.read_text(encoding="utf-8")


def backbones() -> list[str]:
    """The names of timm's models."""
    return [name for text in texts() for name in REGISTERED.findall(text)]


def unknown(name: str) -> str | None:
    """Why timm has no such model, in a sentence; none: it has.

    Args:
        name: of a model, or of one and its weights (``convnext_small.fb_in22k``).
    """
    bare, _, tag = name.partition(".")
    everything = "\n".join(texts())
    older = {key for part in DEPRECATED.findall(everything) for key in KEY.findall(part)}
    if bare not in {*REGISTERED.findall(everything), *older}:
        near = did_you_mean(bare, backbones()) or ": give the name of one that it has."
        return f"timm {version('timm')} has no model {name}{near}"
    home = next((text for text in texts() if f"def {bare}(" in text), "")
    tags = [] if MADE in home else re.findall(rf"""['"]{re.escape(bare)}\.(\w+)['"]:""", home)
    if tag and tags and tag not in tags:
        near = did_you_mean(tag, tags) or f": leave .{tag} out."
        return f"timm {version('timm')} has no weights {tag} of {bare}{near}"
    return None
