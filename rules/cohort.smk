# Who is in the cohort: Table 1, the flow of scans, and the scans that follow the template least.


rule table_cohort:
    """Table 1: subjects and scans by diagnosis; the flow of scans; every exclusion with its reason."""
    input:
        inventory=INVENTORY,
        scans=rules.build_manifest.output.scans,
        exclusions=rules.build_manifest.output.exclusions,
        qc=QC.qc,
    output:
        cohort=f"{RESULTS}/paper/tables/cohort.tsv",
        flow=f"{RESULTS}/paper/tables/flow.tsv",
        exclusions=f"{RESULTS}/paper/tables/exclusions.tsv",
    log:
        f"{RESULTS}/logs/table_cohort.log",
    benchmark:
        f"{RESULTS}/benchmarks/table_cohort.tsv"
    conda:
        "../envs/cpu.yaml"
    params:
        code=code_digest("table_cohort"),
    script:
        "../workflow/scripts/table_cohort.py"


rule figure_cohort:
    """Who is in: downloaded, converted, kept; visits by diagnosis."""
    input:
        flow=rules.table_cohort.output.flow,
        scans=rules.build_manifest.output.scans,
        splits=rules.make_splits.output.splits,
    output:
        svg=f"{RESULTS}/paper/figures/figure_cohort.svg",
        png=f"{RESULTS}/paper/figures/figure_cohort.png",
    log:
        f"{RESULTS}/logs/figure_cohort.log",
    benchmark:
        f"{RESULTS}/benchmarks/figure_cohort.tsv"
    conda:
        "../envs/cpu.yaml"
    params:
        code=code_digest("figure_cohort"),
    script:
        "../workflow/scripts/figure_cohort.py"


rule figure_qc:
    """The scans that follow the template least."""
    input:
        mosaic=QC.mosaic,
        qc=QC.qc,
    output:
        svg=f"{RESULTS}/paper/figures/figure_qc.svg",
        png=f"{RESULTS}/paper/figures/figure_qc.png",
    log:
        f"{RESULTS}/logs/figure_qc.log",
    benchmark:
        f"{RESULTS}/benchmarks/figure_qc.tsv"
    conda:
        "../envs/cpu.yaml"
    params:
        code=code_digest("figure_qc"),
    script:
        "../workflow/scripts/figure_qc.py"
