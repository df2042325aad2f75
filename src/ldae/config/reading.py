"""How a configuration is made of YAML files, and what is said of a bad one: key, value, file, line and nearest name."""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

import yaml
from pydantic import BaseModel, ValidationError

from ldae.config.frozen import with_model
from ldae.config.section import require_whole
from ldae.config.switches import with_mode
from ldae.config.whole import Config
from ldae.core.errors import UserError
from ldae.core.files import require_text_file
from ldae.core.names import did_you_mean, nearest

BENEATH = "config/config.yaml"  # the paper's configuration, over which others lie
Place = tuple[str, ...]
KEY = re.compile(r"[a-z_][a-z_0-9]*(?:\.[a-z_0-9]+)*")

LARGEST = 16 << 20  # bytes of a file; ours have some 10,000
MISSING = "must be given"
WORDS = {  # pydantic's -> ours
    r"Input should be": "must be",
    r"Input is not a valid path.*": "must be a path",
    r" or instance of \w+$": "",
    r"a valid dictionary": "a section, with its keys below it",
    r"a valid string": "text (in quotes)",
    r", (unable|got) .*$": "",
}


def merge(base: dict[str, Any], overlay: dict[str, Any]) -> dict[str, Any]:
    """``overlay`` over ``base``, section by section (the rule Snakemake uses for several config files)."""
    merged = dict(base)
    for key, value in overlay.items():
        both = isinstance(value, dict) and isinstance(merged.get(key), dict)
        merged[key] = merge(merged[key], value) if both else value
    return merged


def parse_config(
    content: dict[str, Any], beneath: Mapping[str, Any] | None = None, files: Sequence[str | Path] = ()
) -> Config:
    """Validate a configuration, with what its ``model`` determines, and its switches set by ``method.mode`` where it
    does not give them.

    Args:
        beneath: what lies beneath the user's files (``config/config.yaml``); it contradicts no model.
        files: the YAML files that it was made of, each laid over the ones before it: where a bad key is looked for.

    Raises:
        UserError: every unknown key and every bad value, each with its full name, its value, file and line, in one
            message; or what contradicts the model.
    """
    lines = [lines_of(path) for path in files]
    try:
        if isinstance(content.get("model"), str | Path):
            require_whole("model", content["model"])
        return Config.model_validate(with_mode(with_model(content, beneath)))
    except ValidationError as error:
        problems = []
        for item in error.errors():
            place = tuple(str(part) for part in item["loc"])
            said, near = sentence_of(place, item)
            problems.append(f"{said}{where(place, said, files, lines)}{near}")
    except ValueError as error:
        problems = [f"{error}{where(('model',), '', files, lines)}"]
    except UserError as error:  # of the model
        keyed = re.split(r"[.:]", str(error))[0] in Config.model_fields
        raise UserError(placed(f"{error}" if keyed else f"model: {error}", files)) from None
    text = "The configuration is not valid: " + "; ".join(problems)
    raise UserError(text if text.endswith("?") else f"{text}.")


def placed(sentence: str, files: Sequence[str | Path]) -> str:
    """A sentence that begins with a key, and before its full stop the file and line where the key is given."""
    key, colon, _ = sentence.partition(":")
    found = where(tuple(key.split(".")), "", files, [lines_of(path) for path in files]) if colon else ""
    said, near, names = sentence.partition("; did you mean")
    return f"{said}{found}{near}{names}" if near else f"{said.removesuffix('.')}{found}."


def sentence_of(place: Place, item: Mapping[str, Any]) -> tuple[str, str]:
    """What is wrong with a key (its name, its value, what it may be instead), and the name that may have been meant."""
    name, message, value = ".".join(place).removesuffix(".[key]"), str(item["msg"]), item["input"]
    if item["type"] == "extra_forbidden":
        return f"{name}: unknown key", meant(place)
    if item["type"] == "missing":
        return f"{name}: {MISSING}", ""
    if item["type"] == "value_error":
        message = message.removeprefix("Value error, ")
        return (f"{name}: {message}" if name else message), ""
    if item["type"] == "literal_error":
        choices = choices_of(place) or re.findall(r"'([^']+)'", str(item["ctx"]["expected"]))
        message = f"must be one of {', '.join(choices)}"
    else:
        choices = []
        for pattern, word in WORDS.items():
            message = re.sub(pattern, word, message)
        message = f"{message[0].lower()}{message[1:]}"
    near = did_you_mean(value, choices) if isinstance(value, str) else ""
    return f"{name}: {message}, not {short(value)}", near


def choices_of(place: Place) -> list[str]:
    """What a key may be beside what its type says, where it says more."""
    section = section_at(place[:-1])
    extra = section.model_fields[place[-1]].json_schema_extra if section and place[-1] in section.model_fields else None
    choices = extra.get("enum") if isinstance(extra, dict) else None
    return [str(choice) for choice in choices] if isinstance(choices, list) else []


def short(value: Any) -> str:
    """A value as one line of YAML, not too long."""
    try:
        text = yaml.safe_dump(value, default_flow_style=True, width=10_000).strip().removesuffix("...").strip()
    except yaml.YAMLError:  # no value of a file
        text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def meant(place: Place) -> str:
    """The keys that an unknown one may stand for: of its section, or of its very name in another section."""
    siblings = dict(fields(section_at(place[:-1]) or Config))
    paths = sorted((path for path in every_key() if path[-1] == place[-1]), key=lambda path: path[:1] != place[:1])
    if same := [".".join(path) for path in paths]:
        return f"; did you mean {' or '.join(same[:4])}{' or another of this name' if len(same) > 4 else ''}?"
    if near := nearest(place[-1], siblings):
        return f"; did you mean {' or '.join('.'.join([*place[:-1], name]) for name in near)}?"
    return f"; {'.'.join(place[:-1]) or 'the top'} has {', '.join(siblings)}" if len(siblings) <= 12 else ""


def fields(section: type[BaseModel]) -> Iterator[tuple[str, type[BaseModel] | None]]:
    """Every key of a section, and the section that it is itself, if it is one."""
    for name, field in section.model_fields.items():
        kinds = [field.annotation, *get_args(field.annotation)]
        yield name, next((kind for kind in kinds if isinstance(kind, type) and issubclass(kind, BaseModel)), None)


def section_at(place: Place) -> type[BaseModel] | None:
    """The section of this name; none where there is no such section. Numbers are places in lists."""
    section: type[BaseModel] | None = Config
    for name in place:
        if section is None or not name.isdigit():
            section = dict(fields(section)).get(name) if section else None
    return section


def every_key(section: type[BaseModel] = Config, prefix: Place = ()) -> Iterator[Place]:
    """The full name of every key."""
    for name, own in fields(section):
        yield (*prefix, name)
        if own is not None:
            yield from every_key(own, (*prefix, name))


def where(place: Place, said: str, files: Sequence[str | Path], lines: Sequence[Mapping[Place, int]]) -> str:
    """`` (config/mine.yaml, line 7)``; empty where no file has the key, as when `--config` gave it.

    Args:
        place: the key, or the section that does not fit together; then the keys that the sentence names are looked for.
        lines: of each file, the line of each of its keys.
    """
    named = [tuple(word.split(".")) for word in KEY.findall(said)]
    wanted = [place, *((*place, *name) for name in named), *(name for name in named if len(name) > 1)]
    if place and section_at(place) is not None and not place[-1].isdigit():  # a key of it says more than its own line
        wanted = [*wanted[1:], place]
    wanted += [place[:length] for length in range(len(place) - 1, 0, -1)]  # what is missing has no line
    for path, known in zip(reversed(files), reversed(lines), strict=True):
        for name in wanted:
            if name in known:
                return f" ({shown(path)}, line {known[name]})"
    return ""


def shown(path: str | Path) -> str:
    """A file as a person would name it from here."""
    whole, here = Path(path).absolute(), Path.cwd()
    return str(whole.relative_to(here)) if whole.is_relative_to(here) else str(path)


def read_layer(path: str | Path) -> dict[str, Any]:
    """One YAML file of a configuration.

    Raises:
        UserError: it is not there, no YAML, holds something else than keys, or a key twice.
    """
    return read(path)[0]


def lines_of(path: str | Path) -> dict[Place, int]:
    """Every key of a file, and the line it stands in."""
    return read(path)[1]


def read(path: str | Path) -> tuple[dict[str, Any], dict[Place, int]]:
    """Content of a YAML file, and the line of every key.

    Raises:
        UserError: as of :func:`read_layer`.
    """
    try:
        if not Path(path).is_dir():
            require_text_file(path, LARGEST)
        loader = yaml.SafeLoader(Path(path).read_text(encoding="utf-8-sig"))
        node = loader.get_single_node()
        lines: dict[Place, int] = {}
        if node is not None:
            note_lines(node, (), lines, shown(path), set())
        content = loader.construct_document(node) if node is not None else {}
    except FileNotFoundError:
        here = f": call the command in the folder that holds it and the Snakefile, not in {Path.cwd()}."
        way_on = here if str(path) == BENEATH else beside(Path(path)) or "."
        raise UserError(f"The configuration file {path} does not exist{way_on}") from None
    except IsADirectoryError:
        raise UserError(f"{path} is a folder: name the configuration file in it.") from None
    except PermissionError:
        raise UserError(f"The configuration file {path} must not be read by this user.") from None
    except UnicodeDecodeError:
        raise UserError(f"The configuration file {path} is not UTF-8: save it as UTF-8 text.") from None
    except yaml.MarkedYAMLError as error:
        raise UserError(f"The configuration file {path} is not plain YAML: {marked(error)}.") from None
    except (AttributeError, TypeError):  # what PyYAML makes of a tag whose text is none of its kind
        raise UserError(f"The configuration file {path} is not plain YAML: a tag (!!) does not fit its text.") from None
    except (yaml.YAMLError, RecursionError, ValueError) as error:  # a date or a number that is none
        raise UserError(f"The configuration file {path} is not plain YAML: {' '.join(str(error).split())}.") from None
    content = {} if content is None else content
    if not isinstance(content, dict):
        raise UserError(f"The configuration file {path} holds no keys: write lines such as `results_dir: results`.")
    return content, lines


def note_lines(node: yaml.Node, place: Place, lines: dict[Place, int], name: str, seen: set[int]) -> None:
    """Write the line of every key below a node into ``lines``; what an alias repeats has the line of its first place.

    Args:
        seen: nodes that were walked through; aliases of aliases would else take for ever.

    Raises:
        UserError: a key stands twice in one section; YAML would keep the last one without a word.
    """
    if id(node) in seen:
        return
    seen.add(id(node))
    if isinstance(node, yaml.SequenceNode):
        for number, item in enumerate(node.value):
            note_lines(item, (*place, str(number)), lines, name, seen)
    if not isinstance(node, yaml.MappingNode):
        return
    for key, value in node.value:
        own = (*place, str(key.value))
        if own in lines and key.tag != "tag:yaml.org,2002:merge":
            raise UserError(
                f"{'.'.join(own)}: the key stands twice in {name}, in line {lines[own]} and line "
                f"{key.start_mark.line + 1}: take one of them out."
            )
        lines[own] = key.start_mark.line + 1
        note_lines(value, own, lines, name, seen)


def marked(error: yaml.MarkedYAMLError) -> str:
    """``line 3, column 12: mapping values are not allowed here``."""
    mark = error.problem_mark or error.context_mark
    words = error.problem or error.context or "it cannot be read"
    tab = "; indent with spaces, not with tabs" if "\\t" in words else ""
    return (f"line {mark.line + 1}, column {mark.column + 1}: " if mark else "") + words + tab


def beside(path: Path) -> str:
    """The files of the folder that may have been meant by one that is not there."""
    there = [file.name for file in path.parent.glob("*.y*ml")] if path.parent.is_dir() else []
    near = nearest(path.name, there) or nearest(f"{path.name}.yaml", there)
    return f"; did you mean {' or '.join(str(path.parent / name) for name in near)}?" if near else ""


def load_config(*paths: str | Path) -> Config:
    """Read YAML files, each laid over the ones before it; of several the first lies beneath the user's.

    Raises:
        UserError: as :func:`parse_config`; a single file that is made to lie over another one is told so.
    """
    content = layered(*paths)
    try:
        return parse_config(content, read_layer(paths[0]) if len(paths) > 1 else None, paths)
    except UserError as error:
        needed = [name for name, field in Config.model_fields.items() if field.is_required()]
        lacking = [name for name in needed if name not in content]
        if len(paths) > 1 or not lacking or MISSING not in str(error):
            raise
        few = ", ".join(lacking[:3]) + (f" and {len(lacking) - 3} more" if len(lacking) > 3 else "")
        raise UserError(
            f"{paths[0]} alone is no whole configuration, it lacks {few}: name the file that it lies over before it, "
            f"--config {BENEATH} {paths[0]}."
        ) from None


def layered(*paths: str | Path) -> dict[str, Any]:
    """What YAML files say, each laid over the ones before it, as it is written there."""
    content: dict[str, Any] = {}
    for path in paths:
        content = merge(content, read_layer(path))
    return content
