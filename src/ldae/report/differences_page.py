"""docs/differences.md, made from the table of switches."""

from ldae.config.switches import SWITCHES, Switch

HEAD = """# Where the paper, the authors' code and good sense differ

This page is generated from `src/ldae/config/switches.py` (`make docs`).

`method.mode` sets every switch below: `paper` (the default) is the paper as written, its slips repaired; `authors_code`
is what the authors' published code does, bugs included. A switch given in the configuration wins over the mode:

```yaml
method:
  mode: authors_code
  clamp_z0: false # all of their code but this
```

A changed switch plans the rules that read it and what follows from them, nothing else. The report of a run lists the
switches on which the paper, the code and the run do not agree. Their code is described, not copied: no line of it is
in this repository.

| switch | what it is about | `paper` | `authors_code` | read by |
| --- | --- | --- | --- | --- |
"""


def differences_page() -> str:
    """The page: one table of all switches, then one paragraph for each."""
    rows = "".join(_row(switch) for switch in SWITCHES)
    return HEAD + rows + "\n" + "\n".join(_paragraph(switch) for switch in SWITCHES)


def _row(switch: Switch) -> str:
    rules = ", ".join(f"`{rule}`" for rule in switch.rules)
    values = f"`{_yaml(switch.paper)}` | `{_yaml(switch.authors_code)}`"
    return f"| `{switch.key}` | {switch.subject} | {values} | {rules} |\n"


def _paragraph(switch: Switch) -> str:
    values = "".join(f"- `{_yaml(value)}`: {words}\n" for value, words in switch.words.items())
    return f"## {switch.subject}\n\n`{switch.key}`\n\n{values}\nWhere it was decided: {switch.decided}.\n"


def _yaml(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
