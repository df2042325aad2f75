# N4 -> brain extraction -> MNI registration, by shard; then quality control and the volume store.
# A shard declares one status table. Images are written beside it, whole or not at all, and skipped when unchanged.


rule correct_bias_field:
    """N4 inside a quick head mask."""
    input:
        scans=rules.build_manifest.output.scans,
        images=IMAGES,
    output:
        f"{RESULTS}/status/bias_field/{{shard}}.tsv",
    log:
        f"{RESULTS}/logs/correct_bias_field/{{shard}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/correct_bias_field/{{shard}}.tsv"
    priority: LONGEST_PATH
    conda:
        "../envs/cpu.yaml"
    params:
        settings=settings.section("preprocessing", "bias_field"),
        orientation=settings.preprocessing.orientation,
        min_slices=settings.preprocessing.min_slices,
        max_quarantined_fraction=settings.preprocessing.max_quarantined_fraction,
        scans_per_worker=settings.preprocessing.scans_per_worker,
        timings=f"{RESULTS}/logs/correct_bias_field/{{shard}}.scans.tsv",
        bids=BIDS,
        derivatives=f"{RESULTS}/derivatives/ldae-preproc",
    script:
        "../workflow/scripts/correct_bias_field.py"


rule extract_brain:
    """Brain mask of the corrected image, on the scan's own grid."""
    input:
        scans=rules.build_manifest.output.scans,
        previous=rules.correct_bias_field.output,
    output:
        f"{RESULTS}/status/brain/{{shard}}.tsv",
    log:
        f"{RESULTS}/logs/extract_brain/{{shard}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/extract_brain/{{shard}}.tsv"
    priority: LONGEST_PATH
    conda:
        "../envs/cpu.yaml"
    params:
        settings=settings.section("preprocessing", "brain_extraction"),
        max_quarantined_fraction=settings.preprocessing.max_quarantined_fraction,
        scans_per_worker=settings.preprocessing.scans_per_worker,
        timings=f"{RESULTS}/logs/extract_brain/{{shard}}.scans.tsv",
        derivatives=f"{RESULTS}/derivatives/ldae-preproc",
    script:
        "../workflow/scripts/extract_brain.py"


rule register_mni:
    """Brain to MNI152, and one interpolation from the native image to the grid of the networks."""
    input:
        scans=rules.build_manifest.output.scans,
        corrected=rules.correct_bias_field.output,
        previous=rules.extract_brain.output,
    output:
        f"{RESULTS}/status/register/{{shard}}.tsv",
    log:
        f"{RESULTS}/logs/register_mni/{{shard}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/register_mni/{{shard}}.tsv"
    priority: LONGEST_PATH
    conda:
        "../envs/cpu.yaml"
    params:
        settings=settings.section("preprocessing", "registration"),
        conform=settings.section("preprocessing", "conform"),
        keep_corrected=settings.preprocessing.keep_corrected,
        max_quarantined_fraction=settings.preprocessing.max_quarantined_fraction,
        scans_per_worker=settings.preprocessing.scans_per_worker,
        timings=f"{RESULTS}/logs/register_mni/{{shard}}.scans.tsv",
        derivatives=f"{RESULTS}/derivatives/ldae-preproc",
    script:
        "../workflow/scripts/register_mni.py"


rule qc_scans:
    """One quality-control row per scan, outliers of the cohort, and a mosaic of the worst."""
    input:
        bias_field=expand(rules.correct_bias_field.output, shard=SHARDS),
        brain=expand(rules.extract_brain.output, shard=SHARDS),
        register=expand(rules.register_mni.output, shard=SHARDS),
        review=ancient(REVIEWED),  # what it says is a parameter
    output:
        qc=f"{RESULTS}/derivatives/ldae-preproc/qc.tsv",
        exclusions=f"{RESULTS}/derivatives/ldae-preproc/exclusions.tsv",
        mosaic=f"{RESULTS}/derivatives/ldae-preproc/qc_mosaic.png",
    log:
        f"{RESULTS}/logs/qc_scans.log",
    benchmark:
        f"{RESULTS}/benchmarks/qc_scans.tsv"
    priority: LONGEST_PATH
    conda:
        "../envs/cpu.yaml"
    params:
        settings=settings.section("preprocessing", "quality"),
        review=digest(sorted(REVIEW.items())),
        raw=at(BIDS),
        code=code_digest("qc_scans"),
    script:
        "../workflow/scripts/qc_scans.py"


QC = rules.qc_scans.output
LOOKED_AT = {"raw": BIDS, "derivatives": f"{RESULTS}/derivatives/ldae-preproc", "given": False}


rule pack_volumes:
    """All usable volumes in one memory-mapped uint8 array."""
    input:
        scans=rules.build_manifest.output.scans,
        qc=rules.qc_scans.output.qc,
        register=expand(rules.register_mni.output, shard=SHARDS),
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
        code=code_digest("pack_volumes"),
    script:
        "../workflow/scripts/pack_volumes.py"
