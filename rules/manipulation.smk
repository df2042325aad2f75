# Moving y_sem along the probe.


rule eval_manipulation:
    """Moving y_sem along the probe: what changes in the picture, where, and what the probe says of it again."""
    input:
        models=MODELS,
        volumes=rules.pack_volumes.output[0],
        latents=rules.encode_latents.output[0],
        codes=rules.encode_codes.output,
        splits=rules.make_splits.output.splits,
        probe=rules.fit_probes.output.probe,
        truth=TRUTH,
    output:
        scans=f"{RESULTS}/evaluate/manipulation/scans.tsv",
        summary=f"{RESULTS}/evaluate/manipulation/summary.tsv",
        doses=f"{RESULTS}/evaluate/manipulation/doses.tsv",
        reads=f"{RESULTS}/evaluate/manipulation/reads.tsv",
    log:
        f"{RESULTS}/logs/eval_manipulation.log",
    benchmark:
        f"{RESULTS}/benchmarks/eval_manipulation.tsv"
    priority: 10  # the longest path of the evaluation
    conda:
        "../envs/gpu.yaml"
    params:
        train=at(TRAIN),
        store=at(STORE),
        folder=at(f"{EVALUATE}/manipulation"),
        settings=settings.section("evaluation"),
        method=settings.method_of("eval_manipulation"),
        seed=settings.seed,
        phantom=settings.phantom.asked() if settings.phantom else None,
        anatomy=f"{RESULTS}/raw/anatomy.npz" if settings.phantom else None,
        code=code_digest("eval_manipulation"),
    script:
        "../workflow/scripts/eval_manipulation.py"


rule table_manipulation:
    """Effect of moving y_sem along the probe."""
    input:
        study=rules.eval_manipulation.output,
        audited=AUDITED,
    output:
        manipulation=f"{RESULTS}/paper/tables/manipulation.tsv",
    log:
        f"{RESULTS}/logs/table_manipulation.log",
    benchmark:
        f"{RESULTS}/benchmarks/table_manipulation.tsv"
    conda:
        "../envs/cpu.yaml"
    params:
        evaluate=at(EVALUATE),
        code=code_digest("table_manipulation"),
    script:
        "../workflow/scripts/table_manipulation.py"


rule figure_6_manipulation:
    """Two scans moved along the probe, with signed differences; on phantoms the true counterfactuals below."""
    input:
        scans=rules.eval_manipulation.output.scans,
    output:
        svg=f"{RESULTS}/paper/figures/figure_6_manipulation.svg",
        png=f"{RESULTS}/paper/figures/figure_6_manipulation.png",
    log:
        f"{RESULTS}/logs/figure_6_manipulation.log",
    benchmark:
        f"{RESULTS}/benchmarks/figure_6_manipulation.tsv"
    conda:
        "../envs/cpu.yaml"
    params:
        examples=at(f"{EVALUATE}/manipulation/examples"),
        code=code_digest("figure_6_manipulation"),
    script:
        "../workflow/scripts/figure_6_manipulation.py"


rule figure_7_dose_response:
    """Volumes, the probe's second opinion and everything else, against the probability aimed at."""
    input:
        scans=rules.eval_manipulation.output.scans,
        doses=rules.eval_manipulation.output.doses,
        summary=rules.eval_manipulation.output.summary,
    output:
        svg=f"{RESULTS}/paper/figures/figure_7_dose_response.svg",
        png=f"{RESULTS}/paper/figures/figure_7_dose_response.png",
    log:
        f"{RESULTS}/logs/figure_7_dose_response.log",
    benchmark:
        f"{RESULTS}/benchmarks/figure_7_dose_response.tsv"
    conda:
        "../envs/cpu.yaml"
    params:
        code=code_digest("figure_7_dose_response"),
    script:
        "../workflow/scripts/figure_7_dose_response.py"
