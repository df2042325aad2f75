# Volumes that are preprocessed already (source: csv): checked one by one, then packed; nothing is corrected or registered.


def given_transform(model):
    """How the volumes are registered, which their user says by giving them to a model: as the model's own were."""
    recipe = read_recipe(model) if model else {"source": "csv"}
    return None if recipe["source"] == "csv" else recipe["preprocessing"]["registration"]["transform"]


rule check_volumes:
    """Shape, voxel size and content of every given volume; the ones least like the others as a picture."""
    input:
        scans=rules.build_manifest.output.scans,
        images=IMAGES,
        review=ancient(REVIEWED),
    output:
        qc=f"{RESULTS}/status/volumes/qc.tsv",
        mosaic=f"{RESULTS}/status/volumes/qc_mosaic.png",
    log:
        f"{RESULTS}/logs/check_volumes.log",
    benchmark:
        f"{RESULTS}/benchmarks/check_volumes.tsv"
    priority: LONGEST_PATH
    conda:
        "../envs/cpu.yaml"
    params:
        conform=settings.section("preprocessing", "conform"),
        resample=settings.csv.resample,
        max_quarantined_fraction=settings.preprocessing.max_quarantined_fraction,
        root=str(settings.csv.path.parent),
        review=digest(sorted(REVIEW.items())),
        code=code_digest("check_volumes"),
    script:
        "../workflow/scripts/check_volumes.py"


rule pack_volumes:
    """All usable volumes in one memory-mapped uint8 array."""
    input:
        scans=rules.build_manifest.output.scans,
        qc=rules.check_volumes.output.qc,
    output:
        f"{RESULTS}/store/volumes/store.json",
    log:
        f"{RESULTS}/logs/pack_volumes.log",
    benchmark:
        f"{RESULTS}/benchmarks/pack_volumes.tsv"
    priority: LONGEST_PATH
    conda:
        "../envs/cpu.yaml"
    params:
        conform=settings.section("preprocessing", "conform"),
        given=str(settings.csv.path.parent),
        transform=given_transform(settings.model),
        code=code_digest("pack_volumes"),
    script:
        "../workflow/scripts/pack_volumes.py"


QC = rules.check_volumes.output
LOOKED_AT = {"raw": str(settings.csv.path.parent), "derivatives": str(settings.csv.path.parent), "given": True}
