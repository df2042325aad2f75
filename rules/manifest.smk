# BIDS (converted here, or a dataset of others), or the authors' table -> one row per scan -> subject-level splits.
# A given dataset is watched by its inventory alone: `ldae inventory` rewrites it where the data changed.

if settings.source == "adni":
    SOURCE = {}
    INVENTORY, IMAGES = rules.inventory_raw.output[0], []
    PREFLIGHT = rules.preflight_adni.output
    DATASET = rules.merge_bids.output.participants
    STATUSES = expand(rules.convert_adni_to_bids.output, shard=CONVERT_SHARDS)
else:
    SOURCE = settings.section(settings.source)

    rule inventory_dataset:
        """List the given data: sizes and times of its images, digests of its tables and sidecars."""
        input:
            GIVEN,
        output:
            f"{RESULTS}/manifest/dataset_inventory.tsv",
        log:
            f"{RESULTS}/logs/inventory_dataset.log",
        benchmark:
            f"{RESULTS}/benchmarks/inventory_dataset.tsv"
        conda:
            "../envs/cpu.yaml"
        params:
            given={key: str(path) for key, path in settings.given_paths().items()},
            code=code_digest("inventory_dataset"),
        script:
            "../workflow/scripts/inventory_dataset.py"

    DATASET = IMAGES = rules.inventory_dataset.output[0]
    INVENTORY, PREFLIGHT, STATUSES = [], [], []


rule build_manifest:
    """One row per scan, and a reason for every scan that is left out."""
    input:
        dataset=DATASET,
        statuses=STATUSES,
        preflight=PREFLIGHT,
    output:
        scans=f"{RESULTS}/manifest/scans.tsv",
        dictionary=f"{RESULTS}/manifest/scans.json",
        exclusions=f"{RESULTS}/manifest/exclusions.tsv",
        notes=f"{RESULTS}/manifest/notes.json",
    log:
        f"{RESULTS}/logs/build_manifest.log",
    benchmark:
        f"{RESULTS}/benchmarks/build_manifest.tsv"
    conda:
        "../envs/cpu.yaml"
    params:
        source=settings.source,
        dataset=SOURCE,
        settings=settings.section("manifest"),
        shards=settings.preprocessing.shards,
        code=code_digest("build_manifest"),
    script:
        "../workflow/scripts/build_manifest.py"


rule make_splits:
    """Train, validation and test by subject; a known subject keeps its row for ever."""
    input:
        scans=rules.build_manifest.output.scans,
        training_subjects=TRAINED_ON,
    output:
        splits=f"{RESULTS}/manifest/splits.tsv",
    log:
        f"{RESULTS}/logs/make_splits.log",
    benchmark:
        f"{RESULTS}/benchmarks/make_splits.tsv"
    conda:
        "../envs/cpu.yaml"
    params:
        settings=settings.section("splits"),
        seed=settings.seed,
        ledger=f"{RESULTS}/manifest/splits_ledger.tsv",
        training_subjects=settings.section("imported")["training_subjects"],
        source=settings.source,
        model=model_digest(settings.model) if settings.model else None,  # frozen: every scan is a test scan
        code=code_digest("make_splits"),
    script:
        "../workflow/scripts/make_splits.py"
