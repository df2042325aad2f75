# The same heads on several scanners: is it the same head to the code? (docs/reliability.md)


rule make_travellers:
    """Heads of test subjects on every scanner, several times, with the cohort's N4 and scale of intensities."""
    input:
        volumes=rules.pack_volumes.output[0],
        splits=rules.make_splits.output.splits,
        truth=TRUTH,
    output:
        f"{RESULTS}/evaluate/reliability/travellers/store.json",
    log:
        f"{RESULTS}/logs/make_travellers.log",
    benchmark:
        f"{RESULTS}/benchmarks/make_travellers.tsv"
    conda:
        "../envs/cpu.yaml"
    params:
        store=at(STORE),
        folder=at(f"{EVALUATE}/reliability/travellers"),
        settings=settings.section("reliability"),
        bias_field=settings.section("preprocessing", "bias_field"),
        conform=settings.section("preprocessing", "conform"),
        seed=settings.seed,
        phantom=settings.phantom.asked() if settings.phantom else None,
        anatomy=f"{RESULTS}/raw/anatomy.npz",
        code=code_digest("make_travellers"),
    script:
        "../workflow/scripts/make_travellers.py"


rule eval_reliability:
    """Intraclass correlations, shares of variance and the scanner read from y_sem, its rivals and its controls."""
    input:
        models=MODELS,
        volumes=rules.pack_volumes.output[0],
        latents=rules.encode_latents.output[0],
        codes=rules.encode_codes.output,
        splits=rules.make_splits.output.splits,
        travellers=rules.make_travellers.output[0],
        truth=TRUTH,
    output:
        scans=f"{RESULTS}/evaluate/reliability/scans.tsv",
        summary=f"{RESULTS}/evaluate/reliability/summary.tsv",
        differences=f"{RESULTS}/evaluate/reliability/differences.tsv",
    log:
        f"{RESULTS}/logs/eval_reliability.log",
    benchmark:
        f"{RESULTS}/benchmarks/eval_reliability.tsv"
    conda:
        "../envs/gpu.yaml"
    params:
        train=at(TRAIN),
        store=at(STORE),
        folder=at(f"{EVALUATE}/reliability"),
        travellers=at(f"{EVALUATE}/reliability/travellers"),
        settings=settings.section("reliability"),
        evaluation={
            name: settings.section("evaluation", name)
            for name in ("batch", "volumes", "bootstrap", "precision", "channels_last")
        },
        seed=settings.seed,
        code=code_digest("eval_reliability"),
    script:
        "../workflow/scripts/eval_reliability.py"


rule table_reliability:
    """Whether predictions are as reliable as they should be, and every number."""
    input:
        study=rules.eval_reliability.output,
        audited=AUDITED,
    output:
        f"{RESULTS}/paper/tables/reliability.tsv",
    log:
        f"{RESULTS}/logs/table_reliability.log",
    benchmark:
        f"{RESULTS}/benchmarks/table_reliability.tsv"
    conda:
        "../envs/cpu.yaml"
    params:
        evaluate=at(EVALUATE),
        code=code_digest("table_reliability"),
    script:
        "../workflow/scripts/table_reliability.py"


rule figure_reliability:
    """Agreement between scanners, and what the scanner leaves in each code."""
    input:
        summary=rules.eval_reliability.output.summary,
    output:
        svg=f"{RESULTS}/paper/figures/figure_reliability.svg",
        png=f"{RESULTS}/paper/figures/figure_reliability.png",
    log:
        f"{RESULTS}/logs/figure_reliability.log",
    benchmark:
        f"{RESULTS}/benchmarks/figure_reliability.tsv"
    conda:
        "../envs/cpu.yaml"
    params:
        code=code_digest("figure_reliability"),
    script:
        "../workflow/scripts/figure_reliability.py"
