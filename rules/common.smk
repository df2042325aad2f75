# What every rule file uses: the validated configuration and folder names.
# `settings.section(...)` in params plans exactly the readers of a changed section; `code_digest(...)` those of changed code.
import sys

from ldae.cohort.sources.given import given_files
from ldae.config import parse_config
from ldae.errors import UserError
from ldae.files import digest
from ldae.provenance import code_digest

try:
    settings = parse_config(config)
    GIVEN = given_files(settings)
except UserError as error:
    sys.exit(f"Error: {error}")

RESULTS = str(settings.results_dir)
BIDS = str(settings.bids.path) if settings.source == "bids" else f"{RESULTS}/bids"
CONVERT_SHARDS = range(settings.convert.shards)
SHARDS = range(settings.preprocessing.shards)
TRUTH = f"{RESULTS}/raw/truth.tsv" if settings.phantom else []


wildcard_constraints:
    shard=r"\d+",
