"""Run one adapter by hand, in this process: for a debugger, or to see a traceback without Snakemake around it.

    make adapter RULE=fit_probes CONFIG="config/small_networks.yaml config/demo.yaml config/smoke.yaml" PDB=1

The inputs must exist (``snakemake --until`` makes them); the outputs are written where the rule would write them.
"""

import argparse
import pdb
import runpy
import sys
from pathlib import Path

from snakemake.api import SnakemakeApi
from snakemake.iocontainers import Snakemake, Wildcards
from snakemake.settings.types import ConfigSettings, OutputSettings, Quietness, ResourceSettings

ROOT = Path(__file__).parents[1]


def main() -> int:
    options = parser().parse_args()
    wildcards = dict(pair.split("=", 1) for pair in options.wildcards)
    for path in options.config:
        if not path.is_file():
            sys.exit(f"the configuration {path} is missing.")
    with SnakemakeApi(OutputSettings(quiet={Quietness.ALL})) as api:
        workflow = api.workflow(
            resource_settings=ResourceSettings(cores=options.threads),
            config_settings=ConfigSettings(configfiles=[path.resolve() for path in options.config]),
            snakefile=ROOT / "Snakefile",
        )
        script, given = described(workflow, options.rule, wildcards, options.threads)
    absent = [path for path in given.input if not Path(path).exists()]
    if absent:
        print(f"{options.rule}: input {absent[0]} is missing; make it first with snakemake.", file=sys.stderr)
        return 1
    for path in [*given.output, *given.log]:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
    print(f"{options.rule}: {script.relative_to(ROOT)}", file=sys.stderr)
    sys.argv = [str(script)]
    if options.pdb:
        pdb.Pdb().runcall(runpy.run_path, str(script), {"snakemake": given}, "__main__")
    else:
        runpy.run_path(str(script), {"snakemake": given}, "__main__")
    return 0


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(description="Run the adapter of one rule in this process.")
    top.add_argument("rule")
    top.add_argument("wildcards", nargs="*", metavar="NAME=VALUE", help="like shard=3")
    top.add_argument("--config", nargs="*", type=Path, default=[], help="files over config/config.yaml")
    top.add_argument("--threads", type=int, default=1)
    top.add_argument("--pdb", action="store_true", help="stop at its first line")
    return top


def described(workflow, name: str, wildcards: dict[str, str], threads: int) -> tuple[Path, Snakemake]:
    """The adapter of a rule, and what Snakemake would hand to it.

    Raises:
        SystemExit: no such rule, or a wildcard is missing.
    """
    loaded = workflow._workflow
    known = {rule.name: rule for rule in loaded.rules}
    if name not in known or known[name].script is None:
        sys.exit(
            f"{name} is no rule with an adapter; there are: {', '.join(sorted(n for n in known if known[n].script))}"
        )
    rule = known[name]
    missing = sorted(set(rule.wildcard_names) - set(wildcards))
    if missing:
        sys.exit(f"{name} needs {missing[0]}=..., for example `make adapter RULE='{name} {missing[0]}=0'`")
    named = Wildcards(fromdict=wildcards)
    files = rule.expand_input(named)[0]
    out = rule.expand_output(named)[0]
    params = rule.expand_params(named, files, out, None)[0]
    script = (Path(rule.basedir.get_path_or_uri(secret_free=True)) / rule.script).resolve()
    return script, Snakemake(
        files, out, params, named, threads, rule.expand_resources(named, files, 1), rule.expand_log(named),
        loaded.config, name, None, str(script.parent),
    )  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
