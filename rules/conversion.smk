# Who of those with MCI becomes a patient with AD, and when (docs/conversion.md).


rule eval_conversion:
    """Time from the first scan with MCI to AD: Cox's model on y_sem beside volumes, MMSE, age and the voxels."""
    input:
        volumes=rules.pack_volumes.output[0],
        codes=rules.encode_codes.output,
        splits=rules.make_splits.output.splits,
        scans=rules.build_manifest.output.scans,
        truth=TRUTH,
    output:
        predictions=f"{RESULTS}/evaluate/conversion/predictions.tsv",
        subjects=f"{RESULTS}/evaluate/conversion/subjects.tsv",
        summary=f"{RESULTS}/evaluate/conversion/summary.tsv",
        differences=f"{RESULTS}/evaluate/conversion/differences.tsv",
        thirds=f"{RESULTS}/evaluate/conversion/thirds.tsv",
    log:
        f"{RESULTS}/logs/eval_conversion.log",
    benchmark:
        f"{RESULTS}/benchmarks/eval_conversion.tsv"
    conda:
        "../envs/cpu.yaml"
    params:
        store=at(STORE),
        folder=at(f"{EVALUATE}/conversion"),
        settings={name: settings.section("evaluation", name) for name in ("batch", "bootstrap", "folds")},
        held_out=bool(settings.splits.hold_out),
        seed=settings.seed,
        code=code_digest("eval_conversion"),
    script:
        "../workflow/scripts/eval_conversion.py"


rule table_conversion:
    """Every measure of every feature set, and which differences count."""
    input:
        study=rules.eval_conversion.output,
        audited=AUDITED,
    output:
        conversion=f"{RESULTS}/paper/tables/conversion.tsv",
        differences=f"{RESULTS}/paper/tables/conversion_differences.tsv",
    log:
        f"{RESULTS}/logs/table_conversion.log",
    benchmark:
        f"{RESULTS}/benchmarks/table_conversion.tsv"
    conda:
        "../envs/cpu.yaml"
    params:
        evaluate=at(EVALUATE),
        code=code_digest("table_conversion"),
    script:
        "../workflow/scripts/table_conversion.py"


rule figure_conversion:
    """Curves by predicted thirds, their calibration, and the concordance of every feature set."""
    input:
        summary=rules.eval_conversion.output.summary,
        thirds=rules.eval_conversion.output.thirds,
    output:
        svg=f"{RESULTS}/paper/figures/figure_conversion.svg",
        png=f"{RESULTS}/paper/figures/figure_conversion.png",
    log:
        f"{RESULTS}/logs/figure_conversion.log",
    benchmark:
        f"{RESULTS}/benchmarks/figure_conversion.tsv"
    conda:
        "../envs/cpu.yaml"
    params:
        code=code_digest("figure_conversion"),
    script:
        "../workflow/scripts/figure_conversion.py"
