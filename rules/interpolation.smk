# A visit from the visits around it.


rule eval_interpolation:
    """A visit from the visits around it: LDAE beside copying, voxel and latent averaging."""
    input:
        models=MODELS,
        volumes=rules.pack_volumes.output[0],
        latents=rules.encode_latents.output[0],
        codes=rules.encode_codes.output,
        splits=rules.make_splits.output.splits,
        truth=TRUTH,
    output:
        triplets=f"{RESULTS}/evaluate/interpolation/triplets.tsv",
        summary=f"{RESULTS}/evaluate/interpolation/summary.tsv",
        differences=f"{RESULTS}/evaluate/interpolation/differences.tsv",
        by_group=f"{RESULTS}/evaluate/interpolation/by_group.tsv",
        reads=f"{RESULTS}/evaluate/interpolation/reads.tsv",
        calibration=f"{RESULTS}/evaluate/interpolation/ventricle_calibration.tsv",
        drawn=f"{RESULTS}/evaluate/interpolation/drawn.tsv",
    log:
        f"{RESULTS}/logs/eval_interpolation.log",
    benchmark:
        f"{RESULTS}/benchmarks/eval_interpolation.tsv"
    conda:
        "../envs/gpu.yaml"
    params:
        train=at(TRAIN),
        store=at(STORE),
        folder=at(f"{EVALUATE}/interpolation"),
        settings=settings.section("evaluation"),
        method=settings.method_of("eval_interpolation"),
        seed=settings.seed,
        code=code_digest("eval_interpolation"),
    script:
        "../workflow/scripts/eval_interpolation.py"


rule table_interpolation:
    """Interpolation of every method."""
    input:
        study=rules.eval_interpolation.output,
        audited=AUDITED,
    output:
        interpolation=f"{RESULTS}/paper/tables/interpolation.tsv",
    log:
        f"{RESULTS}/logs/table_interpolation.log",
    benchmark:
        f"{RESULTS}/benchmarks/table_interpolation.tsv"
    conda:
        "../envs/cpu.yaml"
    params:
        evaluate=at(EVALUATE),
        code=code_digest("table_interpolation"),
    script:
        "../workflow/scripts/table_interpolation.py"


rule figure_8_interpolation:
    """Interpolation quality by method and time gap."""
    input:
        summary=rules.eval_interpolation.output.summary,
        by_group=rules.eval_interpolation.output.by_group,
    output:
        svg=f"{RESULTS}/paper/figures/figure_8_interpolation.svg",
        png=f"{RESULTS}/paper/figures/figure_8_interpolation.png",
    log:
        f"{RESULTS}/logs/figure_8_interpolation.log",
    benchmark:
        f"{RESULTS}/benchmarks/figure_8_interpolation.tsv"
    conda:
        "../envs/cpu.yaml"
    params:
        code=code_digest("figure_8_interpolation"),
    script:
        "../workflow/scripts/figure_8_interpolation.py"


rule figure_9_interpolation_examples:
    """One triplet by every method."""
    input:
        triplets=rules.eval_interpolation.output.triplets,
    output:
        svg=f"{RESULTS}/paper/figures/figure_9_interpolation_examples.svg",
        png=f"{RESULTS}/paper/figures/figure_9_interpolation_examples.png",
    log:
        f"{RESULTS}/logs/figure_9_interpolation_examples.log",
    benchmark:
        f"{RESULTS}/benchmarks/figure_9_interpolation_examples.tsv"
    conda:
        "../envs/cpu.yaml"
    params:
        examples=at(f"{EVALUATE}/interpolation/examples"),
        code=code_digest("figure_9_interpolation_examples"),
    script:
        "../workflow/scripts/figure_9_interpolation_examples.py"
