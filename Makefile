# Two commands: `make demo` and `make test`. Both set themselves up.
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready
SNAKEMAKE := PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/snakemake --profile profiles/local
CONFIGS := config/config.yaml
DEMO := config/small_networks.yaml config/demo.yaml
SMOKE := $(DEMO) config/smoke.yaml
STUDY := $(DEMO) config/study.yaml
ACCEPTANCE := $(DEMO) config/acceptance.yaml
REHEARSE := config/rehearse.yaml
REAL := config/small_networks.yaml config/real.yaml

.PHONY: acceptance adapter bare-debian help setup demo smoke study learning-curve real rehearse all inventory test test-slow test-slurm \
    test-slurm-ci check lint-workflow format docs docs-check site tutorial lock clean soak fuzz bombs leaks audit sbom chaos bench bench-dag bench-preflight bench-ingest bench-preprocess \
    bench-preprocess-studies bench-shards bench-paper-scale bench-memory bench-gpu bench-training
.DEFAULT_GOAL := help

help: ## list the commands
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-25s %s\n", $$1, $$2}'

setup: $(READY) ## make .venv with everything pinned in requirements.lock

UV = $(shell sed -n 's/^\(uv==[^ ]*\).*/\1/p' requirements.lock)
UNREACHED := echo "Error: the packages could not be installed; the reason is above. Behind a proxy, set HTTPS_PROXY, and \
SSL_CERT_FILE where it has a certificate of its own; a mirror of the registry is named by PIP_INDEX_URL and UV_INDEX_URL."

# Compiled once: where PYTHONDONTWRITEBYTECODE is set, as in many containers, every job would compile its imports anew.
# NCCL anew: an older .venv holds a second package of it, whose removal takes the library away from both.
$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 13))' \
		|| { echo "Error: $(PYTHON) is not Python 3.11 or 3.12; run again with PYTHON=python3.11."; exit 1; }
	@echo "Setting up .venv (once; about 8 GB, two minutes) ..."
	@$(PYTHON) -m venv .venv
	@said=$$($(BIN)/python -m pip install --quiet --disable-pip-version-check "$(UV)" 2>&1) \
		|| { echo "$$said"; $(UNREACHED); exit 1; }
	@$(BIN)/uv pip sync --quiet --compile-bytecode --python $(BIN)/python --reinstall-package nvidia-nccl-cu13 requirements.lock \
		|| { $(UNREACHED); exit 1; }
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --editable .
	@touch $(READY)
	@echo "Ready."

demo: $(READY) ## synthetic raw ADNI -> every table and figure, on two CPU cores
	@$(BIN)/ldae inventory --config $(CONFIGS) $(DEMO)
	@start=$$(date +%s); $(BIN)/ldae run --config $(DEMO) --times config/demo_seconds.tsv \
		&& $(BIN)/ldae summary results/demo --seconds $$(( $$(date +%s) - start ))

smoke: $(READY) ## the same chain on six subjects, in minutes
	@$(BIN)/ldae inventory --config $(CONFIGS) $(SMOKE)
	@start=$$(date +%s); $(BIN)/ldae run --config $(SMOKE) \
		&& $(BIN)/ldae summary results/smoke --seconds $$(( $$(date +%s) - start ))

acceptance: $(READY) ## the demo on a cohort of another seed, which nothing was tuned on: the numbers by which a change is judged
	@$(BIN)/ldae inventory --config $(CONFIGS) $(ACCEPTANCE)
	@start=$$(date +%s); $(BIN)/ldae run --config $(ACCEPTANCE) \
		&& $(BIN)/ldae summary results/acceptance --seconds $$(( $$(date +%s) - start ))

study: $(READY) ## 300 synthetic subjects from BIDS: the probes beside what an untrained encoder and the truth can do
	@$(BIN)/ldae inventory --config $(CONFIGS) $(STUDY)
	@start=$$(date +%s); $(BIN)/ldae run --config $(STUDY) \
		&& $(BIN)/ldae summary results/study --seconds $$(( $$(date +%s) - start ))

learning-curve: $(READY) ## the study with 50 to 400 training subjects (TRAINING="50 100", VARIETY=plain): where does y_sem pass PCA?
	@$(BIN)/python benchmarks/learning_curve.py $(if $(TRAINING),--training $(TRAINING)) $(if $(VARIETY),--variety $(VARIETY))

real: $(READY) ## conformed real brains through the whole chain: VOLUMES=FILE.npz (what it holds: benchmarks/real_brains.py)
	@test -n "$(VOLUMES)" || { echo "Error: say which volumes: make real VOLUMES=FILE.npz"; exit 1; }
	@$(BIN)/python benchmarks/real_brains.py "$(VOLUMES)"
	@$(BIN)/ldae inventory --config $(CONFIGS) $(REAL)
	@start=$$(date +%s); $(BIN)/ldae run --config $(REAL) \
		&& $(BIN)/ldae summary results/real --seconds $$(( $$(date +%s) - start ))

# The same command goes on where it stopped; one rule: `snakemake RULE --profile profiles/rehearse --configfile config/rehearse.yaml`.
rehearse: $(READY) ## the paper's networks on the paper's grid through every rule, on a CPU with 24 GB: seconds and memory by rule
	@$(BIN)/python benchmarks/rehearsal.py volumes
	@$(BIN)/ldae inventory --config $(CONFIGS) $(REHEARSE)
	@PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/snakemake --profile profiles/rehearse --configfile $(REHEARSE); status=$$?; \
		$(BIN)/python benchmarks/rehearsal.py table; exit $$status

all: inventory ## your own download -> everything, on this machine (CONFIG=config/mine.yaml lies over the paper's settings, CORES=8, GPUS=1)
	@$(if $(filter 0,$(GPUS)),LDAE_DEVICE=cpu) $(BIN)/ldae run $(if $(CONFIG),--config $(CONFIG)) \
		$(if $(CORES)$(GPUS),-- $(if $(CORES),--cores $(CORES)) $(if $(GPUS),--resources gpu=$(GPUS)))

inventory: $(READY) ## look whether your data changed; before every run on a cluster (CONFIG as for `all`)
	@$(BIN)/ldae inventory --config $(CONFIGS) $(CONFIG)

test: $(READY) ## unit tests and the smoke chain
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m pytest

test-slow: $(READY) ## the tests that take minutes
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m pytest -m slow

test-slurm: $(READY) ## a real SLURM on this machine: the whole smoke chain and every fault
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m pytest --numprocesses=0 -m slurm tests/slurm

test-slurm-ci: $(READY) ## of those the slice that continuous integration runs
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m pytest --numprocesses=0 -m slurm tests/slurm/test_lab.py tests/slurm/test_slice.py

check: $(READY) lint-workflow ## formatting, lint and types (.pre-commit-config.yaml runs the same)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/snakefmt --check Snakefile rules
	$(BIN)/hadolint Dockerfile

lint-workflow: $(READY)
	$(SNAKEMAKE) --lint --configfile $(DEMO)

format: $(READY) ## format in place
	$(BIN)/ruff check --fix --quiet .
	$(BIN)/ruff format --quiet .
	$(BIN)/snakefmt Snakefile rules

adapter: $(READY) ## run the adapter of one rule by hand: RULE=fit_probes CONFIG="config/small_networks.yaml config/demo.yaml", PDB=1 stops at its first line
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python workflow/run_adapter.py $(RULE) --config $(CONFIG) $(if $(PDB),--pdb)

docs: $(READY) ## write the generated pages of docs/
	$(BIN)/python docs/generate.py

SITE := .venv-site/.ready
$(SITE): docs/site/requirements.lock
	@$(PYTHON) -m venv .venv-site
	@said=$$(.venv-site/bin/python -m pip install --quiet --disable-pip-version-check --no-deps \
		-r docs/site/requirements.lock 2>&1) || { echo "$$said"; $(UNREACHED); exit 1; }
	@touch $(SITE)

site: $(SITE) ## the documentation as pages: site/index.html (every link is checked; an environment of its own, .venv-site)
	@NO_MKDOCS_2_WARNING=1 .venv-site/bin/mkdocs build

docs-check: $(READY) site ## the site, and every command and link of the pages
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m pytest -n0 -q tests/unit/test_docs_commands.py tests/unit/test_docs_links.py

tutorial: $(READY) ## docs/tutorial.ipynb from docs/tutorial.py, executed on RESULTS (results/demo: run `make demo` first)
	$(BIN)/python docs/notebook.py $(or $(RESULTS),results/demo) docs/tutorial.ipynb

lock: ## resolve pyproject.toml again into requirements.lock, then envs/ and the lock of the site
	$(BIN)/uv pip compile --quiet --python-version 3.11 --extra test --no-header --no-annotate --generate-hashes \
		pyproject.toml --output-file requirements.lock
	$(BIN)/python envs/generate.py
	$(BIN)/uv pip compile --quiet --python-version 3.11 --no-header --no-annotate --generate-hashes \
		docs/site/requirements.in --output-file docs/site/requirements.lock

clean: ## remove results of demo, smoke and study (never data or .venv)
	rm -rf results/demo results/smoke results/study

KILLS := 100
soak: $(READY) ## kill trainings KILLS times, continue them, compare every byte
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python benchmarks/soak_training.py --kills $(KILLS)

INPUTS := 2000
SEED := 0
fuzz: $(READY) ## INPUTS changed files for every reader of foreign bytes: other exceptions than a sentence are counted
	@$(BIN)/python tests/faults/fuzzing.py $(INPUTS) $(SEED)

bombs: $(READY) ## small files that claim, or unpack to, more than a machine has: what is said, seconds, memory
	@$(BIN)/python tests/faults/bombs.py

DRAWS := 200
leaks: $(READY) ## planted leaks that are found, and false alarms on DRAWS cohorts of 10,340 images (PUBLIC=results/demo/public)
	@$(BIN)/python tests/unit/report/planted_leaks.py $(DRAWS) $(PUBLIC)

audit: $(READY) ## known weaknesses of locked packages, from envs/advisories.tsv (CLONE of github.com/pypa/advisory-database: a newer list)
	@$(BIN)/python envs/audit.py $(if $(CLONE),--refresh $(CLONE))

sbom: $(READY) ## sbom.cdx.json: every installed package, its version and licence (CycloneDX)
	@$(BIN)/python envs/sbom.py > sbom.cdx.json

chaos: $(READY) ## SEED=1: kills, a full disk, flipped, deleted and moved files in a run of the smoke chain; what was lost
	@$(BIN)/python benchmarks/chaos.py $(if $(SEED),--seed $(SEED))

STEPS := setup smoke
RELEASE := bookworm
bare-debian: ## as root: set-up and smoke run in a bare Debian of mmdebstrap, as a user without a cache (STEPS, RELEASE)
	@$(PYTHON) benchmarks/bare_debian.py --release $(RELEASE) --steps $(STEPS)

bench: $(READY) ## ours beside the reference's choices, as ratios of one run (minutes)
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python benchmarks/bench.py

bench-training: $(READY) ## what the training loop and its checkpoints cost beside the model
	$(BIN)/python benchmarks/bench_training.py

bench-dag: $(READY) ## what planning costs from 1,000 to 100,000 scans
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python benchmarks/bench_dag.py

bench-preflight: $(READY) ## what preflight costs on 10,340 scans
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python benchmarks/bench_preflight.py

bench-ingest: $(READY) ## what the manifest of 10,340 scans costs
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python benchmarks/bench_ingest.py

HEADS :=
MEASURED := N4 deepbet template "affine, 2 mm" "syn, 1 mm"
bench-preprocess: $(READY) ## preprocessing against the reference's defaults, same scans, one thread (HEADS: files, with a worker's memory)
	$(if $(HEADS),$(BIN)/python benchmarks/worker_memory.py --scan $(firstword $(HEADS)) \
		--sizes 256x256x256:1 380x384x272:0.65 --cases $(MEASURED))
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python benchmarks/bench_preprocess.py $(if $(HEADS),--parts paper --scan $(HEADS))

STUDIES := longitudinal mismatch n4 accuracy
SCANS := 8
VOXEL_MM := 2
bench-preprocess-studies: $(READY) ## preprocessing against the truth of phantoms (STUDIES, SCANS, VOXEL_MM)
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python benchmarks/preprocess_studies.py \
		--studies $(STUDIES) --scans $(SCANS) --voxel-mm $(VOXEL_MM)

bench-shards: $(READY) ## 300 scans through the shards, killed at random, beside a quiet run
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python benchmarks/bench_shards.py

bench-paper-scale: $(READY) ## operations and memory of the paper's networks, with and without the rewrites
	$(BIN)/python benchmarks/paper_scale.py

bench-memory: $(READY) ## GPU memory per stage, and what each switch makes of it
	$(BIN)/python benchmarks/memory_table.py

SECONDS := 180
bench-gpu: $(READY) ## SECONDS of every training on this machine's GPU: scans/s, peak memory, MFU (CONFIG as for `all`)
	$(BIN)/python benchmarks/bench_gpu.py --config $(CONFIGS) $(CONFIG) --seconds $(SECONDS)
