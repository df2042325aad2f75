# Shared by all rule files, and made before them. The validated configuration and the names of folders.
# `settings.section(...)` in params plans exactly the readers of a changed section, `code_digest(...)` the rules that a
# changed module can reach; expensive rules have a `revision` in their section instead (docs/reproducibility.md).
import os
import sys
from pathlib import Path

from ldae.adni.inventory import not_there_yet
from ldae.cohort.identity import given_files, require_nobodys_files, require_same_cohort
from ldae.cohort.private_folders import make_private, require_group, require_place
from ldae.config import model_digest, parse_config, placed, read_layer, read_recipe, with_model
from ldae.core.checksums import FOLDER as RECORDS
from ldae.core.checksums import not_whole
from ldae.core.closure import Code
from ldae.core.contamination import splits_of, training_subjects
from ldae.core.errors import UserError
from ldae.core.files import digest
from ldae.core.folders import no_later_than_now
from ldae.core.model_places import STAGES, parts
from ldae.core.names import GROUPS, target_problems
from ldae.core.own_gpus import DEVICE
from ldae.preprocessing.review import read_review
from ldae.training.extension import start_digest
from ldae.training.planning import require_runnable

try:
    from ldae.studies.registry import STUDIES, figures, headline, missing, require_rules, runnable, tables

    config.update(with_model(config, read_layer("config/config.yaml")))  # the jobs read it, too
    GIVEN_IN = ["config/config.yaml", *workflow.overwrite_configfiles]  # each lies over those before it
    settings = parse_config(config, files=GIVEN_IN if workflow.is_main_process else ())
    FROZEN = parts(settings.model) if settings.model else []
    GIVEN = given_files(settings)
    training_subjects(settings.imported.training_subjects, settings.source)  # refused here, before days of work
    REVIEW = read_review(settings.qc.exclude)  # a list of the user's, and what it says
    if workflow.is_main_process:  # a job was planned by it, and its own inventory is being rewritten
        require_same_cohort(settings)
    require_rules(Path(workflow.basedir) / "rules")
    RUN = runnable(settings)  # the studies, in their order
    NOT_RUN = {study.name: missing(study, settings) for study in STUDIES if study not in RUN}  # and why
    CODE = Code(kept_in=Path(".snakemake/ldae-code.json"))
except UserError as error:
    sys.exit(f"Error: {error}")

os.environ.setdefault(DEVICE, settings.launch.device)  # the jobs inherit it
RESULTS = str(settings.results_dir)
STORE, TRAIN = f"{RESULTS}/store", f"{RESULTS}/train"
EVALUATE, PAPER = f"{RESULTS}/evaluate", f"{RESULTS}/paper"
AUDITED = f"{PAPER}/tables/audit.tsv"  # is there when nothing stops headline and tables
BIDS = str(settings.bids.path) if settings.source == "bids" else f"{RESULTS}/bids"
MODEL = {stage: f"{TRAIN}/{stage}/model.safetensors" for stage in STAGES}  # trained here, or taken over as they are
DESCRIPTION = {stage: f"{TRAIN}/{stage}/model.json" for stage in STAGES}
MODELS = list(MODEL.values())  # what the studies load
CONVERT_SHARDS = range(settings.convert.shards)
SHARDS = range(settings.preprocessing.shards)
TRAINED_ON = settings.section("imported")["training_subjects"] or []  # a list of the user's
FROZEN_SPLITS = splits_of(settings.model) if settings.model else []  # say whom it was trained on
REVIEWED = settings.section("qc")["exclude"] or []
TRUTH = f"{RESULTS}/raw/truth.tsv" if settings.phantom else []
# Who goes first where several jobs could: the pages of quality control, since somebody looks at them before trainings take
# days; then the scans' way through the three stages to the codes, beside which everything else finds its time.
SEEN_FIRST, LONGEST_PATH = 30, 20


def code_digest(rule):
    """Of all code that the adapter of a rule can reach."""
    return CODE.digest(Path(workflow.basedir) / f"workflow/scripts/{rule}.py")


def needs_gpu(rule):
    """Whether its jobs compute with networks."""
    return str(rule.conda_env).endswith("gpu.yaml")


def asked_of(rule):
    """The resources of a rule, the profile's included, as its first attempt has them; 1 stands for what depends on the
    job."""
    known = {"input": [], "attempt": 1, "threads": 1, "rulename": rule.name, "async_run": workflow.async_run}
    asked = {}
    for name, given in rule.resources.items():
        try:
            asked[name] = given.evaluate(None, **known).value
        except Exception:  # an expression of the user's profile may fail in any way where there is no job yet
            asked[name] = 1
    return asked


def costliest_measure():
    """The metric whose memory is counted with a validation; imported when something has to be counted."""
    from ldae.studies.common.image_metrics import ssim_brain

    return ssim_brain


def asked_targets():
    """What the command line names as targets; Snakemake has not told the workflow yet."""
    from snakemake.cli import get_argument_parser

    program = Path(sys.argv[0])
    typed = program.name == "snakemake" or program.parts[-2:] == ("snakemake", "__main__.py")
    return get_argument_parser().parse_known_args()[0].targets if typed else []


def target_mistakes():
    """What is wrong with the targets of the command line, a sentence each."""
    targets, rules = asked_targets(), list(workflow.rules)
    files = [str(path) for made in rules if not made.has_wildcards() for path in made.output]
    unmade = [path for path in targets if not any(made.is_producer(os.path.relpath(path)) for made in rules)]
    return target_problems(targets, {made.name: made.has_wildcards() for made in rules}, GROUPS, files, unmade)


def at(folder):
    """A folder as a parameter; a function, since `--lint` takes a plain path for a prefix of the files of the job."""
    return lambda wildcards: folder


def again(wildcards):
    """Has Snakemake make again what is there but not whole; asked when the jobs are known, and before it is decided
    which of them are to run."""
    workflow.dag.forcefiles.update(NOT_WHOLE)
    return []


wildcard_constraints:
    shard=r"\d+",
