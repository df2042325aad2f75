# What linear probes read from the codes, and what may deceive them.


rule fit_probes:
    """Linear probes of y_sem (diagnosis, age) beside what it has to beat: other codes, tissue volumes, demographics."""
    input:
        volumes=rules.pack_volumes.output[0],
        codes=rules.encode_codes.output,
        baselines=BASELINES,
        probes=PROBES,
        splits=rules.make_splits.output.splits,
        truth=TRUTH,
    output:
        predictions=f"{RESULTS}/evaluate/probes/predictions.tsv",
        described=f"{RESULTS}/evaluate/probes/predictions.json",
        summary=f"{RESULTS}/evaluate/probes/summary.tsv",
        differences=f"{RESULTS}/evaluate/probes/differences.tsv",
        lda=f"{RESULTS}/evaluate/probes/lda.tsv",
        fitted=f"{RESULTS}/evaluate/probes/fitted.json",
        probe=f"{RESULTS}/evaluate/probes/probe_ad.json",
    log:
        f"{RESULTS}/logs/fit_probes.log",
    benchmark:
        f"{RESULTS}/benchmarks/fit_probes.tsv"
    priority: 10  # the longest path of the evaluation
    conda:
        "../envs/cpu.yaml"
    params:
        store=at(STORE),
        folder=at(f"{EVALUATE}/probes"),
        settings=settings.section("evaluation"),
        method=settings.method_of("fit_probes"),
        held_out=bool(settings.splits.hold_out),
        baselines=settings.baselines,
        seed=settings.seed,
        code=code_digest("fit_probes"),
    script:
        "../workflow/scripts/fit_probes.py"


rule eval_probe_checks:
    """Field strength, study phase and the voxels' components read from the codes; probes with 1 % to all labels."""
    input:
        volumes=rules.pack_volumes.output[0],
        codes=rules.encode_codes.output,
        baselines=BASELINES,
        splits=rules.make_splits.output.splits,
        scans=rules.build_manifest.output.scans,
        predictions=rules.fit_probes.output.predictions,
    output:
        confounds=f"{RESULTS}/evaluate/probe_checks/confounds.tsv",
        components=f"{RESULTS}/evaluate/probe_checks/components.tsv",
        label_efficiency=f"{RESULTS}/evaluate/probe_checks/label_efficiency.tsv",
    log:
        f"{RESULTS}/logs/eval_probe_checks.log",
    benchmark:
        f"{RESULTS}/benchmarks/eval_probe_checks.tsv"
    conda:
        "../envs/cpu.yaml"
    params:
        store=at(STORE),
        folder=at(f"{EVALUATE}/probe_checks"),
        settings=settings.section("evaluation"),
        method=settings.method_of("eval_probe_checks"),
        held_out=bool(settings.splits.hold_out),
        frozen=settings.model is not None,
        baselines=settings.baselines,
        seed=settings.seed,
        code=code_digest("eval_probe_checks"),
    script:
        "../workflow/scripts/eval_probe_checks.py"


rule table_probes:
    """Table 7: linear probes, ours beside the paper's; y_sem against each rival; confounds; label efficiency."""
    input:
        study=rules.fit_probes.output,
        checks=rules.eval_probe_checks.output,
        audited=AUDITED,
    output:
        probes=f"{RESULTS}/paper/tables/probes.tsv",
        differences=f"{RESULTS}/paper/tables/probe_differences.tsv",
        confounds=f"{RESULTS}/paper/tables/confounds.tsv",
        label_efficiency=f"{RESULTS}/paper/tables/label_efficiency.tsv",
    log:
        f"{RESULTS}/logs/table_probes.log",
    benchmark:
        f"{RESULTS}/benchmarks/table_probes.tsv"
    conda:
        "../envs/cpu.yaml"
    params:
        evaluate=at(EVALUATE),
        code=code_digest("table_probes"),
    script:
        "../workflow/scripts/table_probes.py"


rule figure_probes:
    """AUC and age error of every feature set."""
    input:
        summary=rules.fit_probes.output.summary,
    output:
        svg=f"{RESULTS}/paper/figures/figure_probes.svg",
        png=f"{RESULTS}/paper/figures/figure_probes.png",
    log:
        f"{RESULTS}/logs/figure_probes.log",
    benchmark:
        f"{RESULTS}/benchmarks/figure_probes.tsv"
    conda:
        "../envs/cpu.yaml"
    params:
        code=code_digest("figure_probes"),
    script:
        "../workflow/scripts/figure_probes.py"


rule figure_5_lda:
    """Discriminant axes fitted on training subjects, test subjects drawn."""
    input:
        lda=rules.fit_probes.output.lda,
    output:
        svg=f"{RESULTS}/paper/figures/figure_5_lda.svg",
        png=f"{RESULTS}/paper/figures/figure_5_lda.png",
    log:
        f"{RESULTS}/logs/figure_5_lda.log",
    benchmark:
        f"{RESULTS}/benchmarks/figure_5_lda.tsv"
    conda:
        "../envs/cpu.yaml"
    params:
        code=code_digest("figure_5_lda"),
    script:
        "../workflow/scripts/figure_5_lda.py"


rule figure_label_efficiency:
    """Probes with 1 % to all of the labels."""
    input:
        estimates=rules.eval_probe_checks.output.label_efficiency,
    output:
        svg=f"{RESULTS}/paper/figures/figure_label_efficiency.svg",
        png=f"{RESULTS}/paper/figures/figure_label_efficiency.png",
    log:
        f"{RESULTS}/logs/figure_label_efficiency.log",
    benchmark:
        f"{RESULTS}/benchmarks/figure_label_efficiency.tsv"
    conda:
        "../envs/cpu.yaml"
    params:
        code=code_digest("figure_label_efficiency"),
    script:
        "../workflow/scripts/figure_label_efficiency.py"


rule figure_confounds:
    """What the codes know of scanner and study phase, and the results with these held fixed."""
    input:
        estimates=rules.eval_probe_checks.output.confounds,
    output:
        svg=f"{RESULTS}/paper/figures/figure_confounds.svg",
        png=f"{RESULTS}/paper/figures/figure_confounds.png",
    log:
        f"{RESULTS}/logs/figure_confounds.log",
    benchmark:
        f"{RESULTS}/benchmarks/figure_confounds.tsv"
    conda:
        "../envs/cpu.yaml"
    params:
        code=code_digest("figure_confounds"),
    script:
        "../workflow/scripts/figure_confounds.py"
