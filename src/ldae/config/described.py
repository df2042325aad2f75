"""What the configuration says of itself: a page for people, and a JSON schema for editors.

Both are made from the sections (`make docs`), so that a key, its default and its range are said once.
"""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from ldae.config.whole import Config

SCHEMA = "https://json-schema.org/draft/2020-12/schema"
UNITS = {"_mm": "mm", "_seconds": "s", "_gb": "GB", "_fraction": "fraction"}  # by the end of a key's name
INTRODUCTION = """<!-- Written by `make docs` from src/ldae/config/; edit the descriptions there. -->

# Configuration

`config/config.yaml` holds the paper's settings. Files named after it with `--configfile` (Snakemake) or `--config`
(`ldae`) override earlier ones, so your own file lists only what you change:

```yaml
# yaml-language-server: $schema=schema.json
results_dir: results/mine
raw:
  images: /data/ADNI
  tables: /data/clinical
```

A key's full name is a path: `raw.images` is the key `images` in the section `raw`. The default is the value that you
get with `config/config.yaml` and no file of your own. An unknown key or an impossible value is refused before anything
runs: the message gives the key, its value, the file and the line, and the name that you may have meant.

The first line of the example is for editors, and to everything else a comment. With it, an editor that knows JSON
schemas (VS Code with the YAML extension, Neovim, Emacs, JetBrains) reads `config/schema.json`, completes keys, shows
these descriptions and underlines mistakes while you type.

Keys named `revision` are raised by hand when you want a step, and all that follows it, to be done again; changing
any other key plans the rules that read it ([reproducibility.md](reproducibility.md)).
"""


def schema() -> dict[str, Any]:
    """The JSON schema of one file of a configuration. Since files lie over one another, no key is required in one."""
    made = Config.model_json_schema()
    for part in [made, *made["$defs"].values()]:
        part.pop("required", None)
        part["description"] = plain(part.get("description", ""))
        for prop in part.get("properties", {}).values():
            if "$ref" in prop:
                prop.pop("default", None)
    return {"$schema": SCHEMA, **without_titles(made)}


def schema_text() -> str:
    """As ``config/schema.json`` holds it."""
    return json.dumps(schema(), indent=1, ensure_ascii=False) + "\n"


def without_titles(value: Any) -> Any:
    """Pydantic's titles repeat the names; a property may itself be called title."""
    if isinstance(value, dict):
        kept = {key: item for key, item in value.items() if key != "title" or not isinstance(item, str)}
        return {key: without_titles(item) for key, item in kept.items()}
    return [without_titles(item) for item in value] if isinstance(value, list) else value


def configuration_page(paper: Mapping[str, Any]) -> str:
    """``docs/configuration.md``.

    Args:
        paper: the whole configuration of ``config/config.yaml``, as plain values.
    """
    described = schema()
    lines = [INTRODUCTION, "## At the top", "", *table(described, described["properties"], ("",), paper)]
    for name, places in sections(described).items():
        part = described["$defs"][name]
        heading = ", ".join(f"`{place}`" for place in places)
        lines += [
            "",
            f"## {heading}",
            "",
            part["description"],
            "",
            *table(described, part["properties"], places, paper),
        ]
    return "\n".join(lines) + "\n"


def sections(described: Mapping[str, Any]) -> dict[str, list[str]]:
    """Class name of each section -> the keys it stands at, in the order of the configuration."""
    found: dict[str, list[str]] = {}

    def visit(properties: Mapping[str, Any], prefix: str) -> None:
        for key, prop in properties.items():
            name = section_of(prop)
            if name is None:
                continue
            found.setdefault(name, []).append(f"{prefix}{key}")
            visit(described["$defs"][name]["properties"], f"{prefix}{key}.")

    visit(described["properties"], "")
    return found


def section_of(prop: Mapping[str, Any]) -> str | None:
    """Class name of the section that a property is, or is a list of."""
    for option in [prop, prop.get("items", {}), *prop.get("anyOf", [])]:
        if "$ref" in option:
            return option["$ref"].rsplit("/", 1)[-1]
    return None


def table(
    described: Mapping[str, Any], properties: Mapping[str, Any], places: tuple[str, ...] | list[str], paper: Any
) -> Iterator[str]:
    """The rows of one section; its own sections have tables of theirs."""
    plain_keys = {key: prop for key, prop in properties.items() if section_of(prop) is None or "items" in prop}
    if not plain_keys:
        yield "It holds the sections below."
        return
    yield from ("| key | meaning | unit | default | values |", "| --- | --- | --- | --- | --- |")
    for key, prop in plain_keys.items():
        cells = (
            f"`{key}`",
            prop["description"],
            unit_of(key, prop),
            default_of(key, prop, places, paper),
            values_of(prop),
        )
        yield "| " + " | ".join(escaped(cell) for cell in cells) + " |"


def escaped(cell: str) -> str:
    """The text of a cell where it stands outside of code: no emphasis, no tag, no further cell."""
    parts = cell.replace("|", "\\|").split("`")
    parts[::2] = [part.replace("*", "\\*").replace("<", "&lt;") for part in parts[::2]]
    return "`".join(parts)


def unit_of(key: str, prop: Mapping[str, Any]) -> str:
    """``mm``; empty for counts, names and numbers without a unit."""
    return prop.get("unit") or next((unit for end, unit in UNITS.items() if key.endswith(end)), "")


def default_of(key: str, prop: Mapping[str, Any], places: tuple[str, ...] | list[str], paper: Any) -> str:
    """The value with ``config/config.yaml``; of a section that stands at several keys, each one's where they differ."""
    values = {}
    for place in places:
        part = paper
        for name in filter(None, place.split(".")):
            part = part.get(name) if isinstance(part, Mapping) else None
        values[place] = part[key] if isinstance(part, Mapping) else prop.get("default", ...)
    written = {place: "none: give it" if value is ... else f"`{yaml_text(value)}`" for place, value in values.items()}
    if len(set(written.values())) == 1:
        return next(iter(written.values()))
    return ", ".join(f"{place.split('.')[0]} {value}" for place, value in written.items())


def yaml_text(value: Any) -> str:
    """A value as one line of YAML."""
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key}: {yaml_text(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(yaml_text(item) for item in value) + "]"
    return f"{value}"


def values_of(prop: Mapping[str, Any]) -> str:
    """What a property may be, in words: its choices, or its type and range."""
    if "enum" in prop or "const" in prop:
        return ", ".join(f"`{choice}`" for choice in prop.get("enum", [prop.get("const")]))
    if "anyOf" in prop:
        options = [values_of(option) for option in prop["anyOf"] if option.get("type") != "null"]
        none = ["`null`"] if any(option.get("type") == "null" for option in prop["anyOf"]) else []
        return " or ".join([*options, *none])
    if "$ref" in prop:
        return "the keys of that section"
    kind = str(prop.get("type"))
    if kind == "array":
        if "prefixItems" in prop:
            return f"{len(prop['prefixItems'])} of: {values_of(prop['prefixItems'][0])}"
        least = ", at least one" if prop.get("minItems") else ""
        return f"list of: {values_of(prop['items'])}{least}"
    if kind == "object":
        names = prop.get("propertyNames")
        keys = values_of(names) if names and "enum" in names else "name"
        return f"{{{keys}: {values_of(prop['additionalProperties'])}}}"
    words = {"integer": "whole number", "number": "number", "boolean": "`true`, `false`", "string": "text"}[kind]
    if prop.get("format") == "path":
        return "path"
    return f"{words} {limits(prop)}".strip()


def limits(prop: Mapping[str, Any]) -> str:
    """``from 0 to 1``, ``above 0``, ``at least 1``."""
    low, high = prop.get("minimum"), prop.get("maximum")
    if low is not None and high is not None:
        return f"from {low:g} to {high:g}"
    signs = {"minimum": "at least", "exclusiveMinimum": "above", "maximum": "at most", "exclusiveMaximum": "below"}
    said = [f"{word} {prop[name]:g}" for name, word in signs.items() if name in prop]
    if "pattern" in prop:
        said.append(f"like `{prop['pattern']}`")
    return ", ".join(said)


def plain(text: str) -> str:
    """A docstring as Markdown: one paragraph, code between single backticks."""
    text = re.sub(r":\w+:`~?([^`]+)`", r"`\1`", " ".join(text.split()))
    return text.replace("``", "`")
