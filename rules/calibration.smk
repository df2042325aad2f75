# Whether the probes' probabilities may be taken at their word, what decisions by them are worth, and for whom they err.


rule eval_calibration:
    """Calibration, decision curves and subgroups of the probes that fit_probes has fitted."""
    input:
        predictions=rules.fit_probes.output.predictions,
        scans=rules.build_manifest.output.scans,
    output:
        summary=f"{RESULTS}/evaluate/calibration/summary.tsv",
        curves=f"{RESULTS}/evaluate/calibration/curves.tsv",
        decisions=f"{RESULTS}/evaluate/calibration/decisions.tsv",
        subgroups=f"{RESULTS}/evaluate/calibration/subgroups.tsv",
        gaps=f"{RESULTS}/evaluate/calibration/gaps.tsv",
        sites=f"{RESULTS}/evaluate/calibration/sites.tsv",
    log:
        f"{RESULTS}/logs/eval_calibration.log",
    benchmark:
        f"{RESULTS}/benchmarks/eval_calibration.tsv"
    conda:
        "../envs/cpu.yaml"
    params:
        folder=at(f"{EVALUATE}/calibration"),
        settings={"bootstrap": settings.evaluation.bootstrap},
        seed=settings.seed,
        code=code_digest("eval_calibration"),
    script:
        "../workflow/scripts/eval_calibration.py"


rule table_calibration:
    """Calibration of every feature set, the metrics of every group, and the largest gaps beside chance."""
    input:
        study=rules.eval_calibration.output,
        audited=AUDITED,
    output:
        calibration=f"{RESULTS}/paper/tables/calibration.tsv",
        subgroups=f"{RESULTS}/paper/tables/subgroups.tsv",
        gaps=f"{RESULTS}/paper/tables/subgroup_gaps.tsv",
    log:
        f"{RESULTS}/logs/table_calibration.log",
    benchmark:
        f"{RESULTS}/benchmarks/table_calibration.tsv"
    conda:
        "../envs/cpu.yaml"
    params:
        evaluate=at(EVALUATE),
        code=code_digest("table_calibration"),
    script:
        "../workflow/scripts/table_calibration.py"


rule figure_calibration:
    """Calibration and decision curves."""
    input:
        curves=rules.eval_calibration.output.curves,
        decisions=rules.eval_calibration.output.decisions,
    output:
        svg=f"{RESULTS}/paper/figures/figure_calibration.svg",
        png=f"{RESULTS}/paper/figures/figure_calibration.png",
    log:
        f"{RESULTS}/logs/figure_calibration.log",
    benchmark:
        f"{RESULTS}/benchmarks/figure_calibration.tsv"
    conda:
        "../envs/cpu.yaml"
    params:
        code=code_digest("figure_calibration"),
    script:
        "../workflow/scripts/figure_calibration.py"


rule figure_subgroups:
    """The probe of y_sem in every group."""
    input:
        subgroups=rules.eval_calibration.output.subgroups,
    output:
        svg=f"{RESULTS}/paper/figures/figure_subgroups.svg",
        png=f"{RESULTS}/paper/figures/figure_subgroups.png",
    log:
        f"{RESULTS}/logs/figure_subgroups.log",
    benchmark:
        f"{RESULTS}/benchmarks/figure_subgroups.tsv"
    conda:
        "../envs/cpu.yaml"
    params:
        code=code_digest("figure_subgroups"),
    script:
        "../workflow/scripts/figure_subgroups.py"
