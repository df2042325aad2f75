"""YAML files to a validated configuration."""

from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from ldae.config.switches import with_mode
from ldae.config.whole import Config
from ldae.core.errors import UserError


def merge(base: dict[str, Any], overlay: dict[str, Any]) -> dict[str, Any]:
    """``overlay`` over ``base``, section by section (the rule Snakemake uses for several config files)."""
    merged = dict(base)
    for key, value in overlay.items():
        both = isinstance(value, dict) and isinstance(merged.get(key), dict)
        merged[key] = merge(merged[key], value) if both else value
    return merged


def parse_config(content: dict[str, Any]) -> Config:
    """Validate a configuration, its switches set by ``method.mode`` where it does not give them.

    Raises:
        UserError: every unknown key and every bad value, each with its full name, in one message.
    """
    try:
        return Config.model_validate(with_mode(content))
    except ValidationError as error:
        problems = []
        for item in error.errors():
            name = ".".join(str(part) for part in item["loc"])
            message = item["msg"].removeprefix("Value error, ")
            message = "unknown key" if item["type"] == "extra_forbidden" else message
            problems.append(f"{name}: {message}" if name else message)
        raise UserError("The configuration is not valid: " + "; ".join(problems) + ".") from None


def load_config(*paths: str | Path) -> Config:
    """Read YAML files, each laid over the ones before it."""
    content: dict[str, Any] = {}
    for path in paths:
        try:
            layer = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise UserError(f"The configuration file {path} does not exist.") from None
        except yaml.YAMLError as error:
            raise UserError(f"The configuration file {path} is not plain YAML: {error}.") from None
        content = merge(content, layer or {})
    return parse_config(content)
