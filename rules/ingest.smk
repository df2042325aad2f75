# Raw ADNI (DICOM + study tables) -> BIDS.


rule inventory_raw:
    """List the raw download: image folders, sizes, digests of the study tables."""
    input:
        rules.make_phantom.output.marker if settings.phantom else [],
    output:
        f"{RESULTS}/manifest/raw_inventory.tsv",
    log:
        f"{RESULTS}/logs/inventory_raw.log",
    benchmark:
        f"{RESULTS}/benchmarks/inventory_raw.tsv"
    conda:
        "../envs/cpu.yaml"
    params:
        images=str(settings.raw.images),
        tables=str(settings.raw.tables),
        code=code_digest("inventory_raw"),
    script:
        "../workflow/scripts/inventory_raw.py"


rule preflight_adni:
    """Name everything that is missing, renamed or damaged before anything is written."""
    input:
        rules.inventory_raw.output[0],
    output:
        f"{RESULTS}/manifest/preflight.json",
    log:
        f"{RESULTS}/logs/preflight_adni.log",
    benchmark:
        f"{RESULTS}/benchmarks/preflight_adni.tsv"
    conda:
        "../envs/cpu.yaml"
    params:
        images=str(settings.raw.images),
        tables=str(settings.raw.tables),
        max_quarantined_fraction=settings.convert.max_quarantined_fraction,
        max_contradicted_fraction=settings.convert.max_contradicted_fraction,
        adni4=settings.convert.adni4,
        code=code_digest("preflight_adni"),
    script:
        "../workflow/scripts/preflight_adni.py"


rule adapt_tables:
    """Write the study tables as Clinica reads them, whatever names and columns LONI gave them."""
    input:
        inventory=rules.inventory_raw.output[0],
        preflight=rules.preflight_adni.output,
    output:
        f"{RESULTS}/scratch/tables/adapted.json",
    log:
        f"{RESULTS}/logs/adapt_tables.log",
    benchmark:
        f"{RESULTS}/benchmarks/adapt_tables.tsv"
    conda:
        "../envs/cpu.yaml"
    params:
        images=str(settings.raw.images),
        tables=str(settings.raw.tables),
        adni4=settings.convert.adni4,
        code=code_digest("adapt_tables"),
    script:
        "../workflow/scripts/adapt_tables.py"


rule convert_adni_to_bids:
    """Run the real Clinica on one shard of subjects and verify what it made."""
    input:
        inventory=rules.inventory_raw.output[0],
        tables=rules.adapt_tables.output[0],
    output:
        f"{RESULTS}/status/convert/{{shard}}.tsv",
    log:
        f"{RESULTS}/logs/convert_adni_to_bids/{{shard}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/convert_adni_to_bids/{{shard}}.tsv"
    conda:
        "../envs/cpu.yaml"
    params:
        settings=settings.conversion(),
        images=str(settings.raw.images),
        bids=f"{RESULTS}/bids",
        scratch=f"{RESULTS}/scratch/convert",
    script:
        "../workflow/scripts/convert_adni_to_bids.py"


rule merge_bids:
    """Make one BIDS dataset of the shards, unless too many scans of the cohort are lost."""
    input:
        expand(rules.convert_adni_to_bids.output, shard=CONVERT_SHARDS),
    output:
        participants=f"{RESULTS}/bids/participants.tsv",
        description=f"{RESULTS}/bids/dataset_description.json",
    log:
        f"{RESULTS}/logs/merge_bids.log",
    benchmark:
        f"{RESULTS}/benchmarks/merge_bids.tsv"
    conda:
        "../envs/cpu.yaml"
    params:
        max_quarantined_fraction=settings.convert.max_quarantined_fraction,
        code=code_digest("merge_bids"),
    script:
        "../workflow/scripts/merge_bids.py"
