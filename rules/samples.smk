# Samples: without a scan, and several of one y_sem.


rule eval_samples:
    """Unconditional samples: distance from real scans beside that of held-out ones, and whether they are copies."""
    input:
        models=MODELS,
        volumes=rules.pack_volumes.output[0],
        latents=rules.encode_latents.output[0],
        codes=rules.encode_codes.output,
        splits=rules.make_splits.output.splits,
    output:
        distances=f"{RESULTS}/evaluate/samples/distances.tsv",
        memorisation=f"{RESULTS}/evaluate/samples/memorisation.tsv",
        neighbours=f"{RESULTS}/evaluate/samples/neighbours.tsv",
        curves=f"{RESULTS}/evaluate/samples/curves.tsv",
        copies=f"{RESULTS}/evaluate/samples/copies.json",
    log:
        f"{RESULTS}/logs/eval_samples.log",
    benchmark:
        f"{RESULTS}/benchmarks/eval_samples.tsv"
    conda:
        "../envs/gpu.yaml"
    params:
        train=at(TRAIN),
        store=at(STORE),
        folder=at(f"{EVALUATE}/samples"),
        settings=settings.section("evaluation"),
        method=settings.method_of("eval_samples"),
        seed=settings.seed,
        code=code_digest("eval_samples"),
    script:
        "../workflow/scripts/eval_samples.py"


rule eval_variation:
    """Several samples of one y_sem: what the stochastic code decides."""
    input:
        models=MODELS,
        volumes=rules.pack_volumes.output[0],
        latents=rules.encode_latents.output[0],
        codes=rules.encode_codes.output,
        splits=rules.make_splits.output.splits,
    output:
        scans=f"{RESULTS}/evaluate/variation/scans.tsv",
    log:
        f"{RESULTS}/logs/eval_variation.log",
    benchmark:
        f"{RESULTS}/benchmarks/eval_variation.tsv"
    conda:
        "../envs/gpu.yaml"
    params:
        train=at(TRAIN),
        store=at(STORE),
        folder=at(f"{EVALUATE}/variation"),
        settings=settings.section("evaluation"),
        method=settings.method_of("eval_variation"),
        seed=settings.seed,
        code=code_digest("eval_variation"),
    script:
        "../workflow/scripts/eval_variation.py"


rule table_samples:
    """Unconditional samples: distances of distributions, and the nearest training scans."""
    input:
        distances=rules.eval_samples.output.distances,
        memorisation=rules.eval_samples.output.memorisation,
        audited=AUDITED,
    output:
        samples=f"{RESULTS}/paper/tables/samples.tsv",
    log:
        f"{RESULTS}/logs/table_samples.log",
    benchmark:
        f"{RESULTS}/benchmarks/table_samples.tsv"
    conda:
        "../envs/cpu.yaml"
    params:
        code=code_digest("table_samples"),
    script:
        "../workflow/scripts/table_samples.py"


rule figure_samples:
    """Unconditional samples beside real scans; those that stand out towards one training scan."""
    input:
        distances=rules.eval_samples.output.distances,
        curves=rules.eval_samples.output.curves,
    output:
        svg=f"{RESULTS}/paper/figures/figure_samples.svg",
        png=f"{RESULTS}/paper/figures/figure_samples.png",
        nearest_svg=f"{RESULTS}/paper/figures/figure_samples_nearest.svg",
        nearest_png=f"{RESULTS}/paper/figures/figure_samples_nearest.png",
    log:
        f"{RESULTS}/logs/figure_samples.log",
    benchmark:
        f"{RESULTS}/benchmarks/figure_samples.tsv"
    conda:
        "../envs/cpu.yaml"
    params:
        examples=at(f"{EVALUATE}/samples/examples"),
        code=code_digest("figure_samples"),
    script:
        "../workflow/scripts/figure_samples.py"


rule figure_4_variation:
    """Samples of one semantic code."""
    input:
        scans=rules.eval_variation.output.scans,
    output:
        svg=f"{RESULTS}/paper/figures/figure_4_variation.svg",
        png=f"{RESULTS}/paper/figures/figure_4_variation.png",
    log:
        f"{RESULTS}/logs/figure_4_variation.log",
    benchmark:
        f"{RESULTS}/benchmarks/figure_4_variation.tsv"
    conda:
        "../envs/cpu.yaml"
    params:
        samples=f"{EVALUATE}/variation/samples",
        std=f"{EVALUATE}/variation/std",
        code=code_digest("figure_4_variation"),
    script:
        "../workflow/scripts/figure_4_variation.py"
