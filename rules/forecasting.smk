# The next visit from one or two earlier ones (docs/forecasting.md).


rule eval_forecasting:
    """Next visits of test subjects by lines through the code, the latents and the voxels, and by copying."""
    input:
        models=MODELS,
        volumes=rules.pack_volumes.output[0],
        latents=rules.encode_latents.output[0],
        codes=rules.encode_codes.output,
        splits=rules.make_splits.output.splits,
        truth=TRUTH,
    output:
        forecasts=f"{RESULTS}/evaluate/forecasting/forecasts.tsv",
        one_visit=f"{RESULTS}/evaluate/forecasting/one_visit.tsv",
        two_visits=f"{RESULTS}/evaluate/forecasting/two_visits.tsv",
        differences=f"{RESULTS}/evaluate/forecasting/differences.tsv",
        by_group=f"{RESULTS}/evaluate/forecasting/by_group.tsv",
        drawn=f"{RESULTS}/evaluate/forecasting/drawn.tsv",
        reads=f"{RESULTS}/evaluate/forecasting/reads.tsv",
    log:
        f"{RESULTS}/logs/eval_forecasting.log",
    benchmark:
        f"{RESULTS}/benchmarks/eval_forecasting.tsv"
    conda:
        "../envs/gpu.yaml"
    params:
        train=at(TRAIN),
        store=at(STORE),
        folder=at(f"{EVALUATE}/forecasting"),
        settings=settings.section("forecasting"),
        evaluation={
            name: settings.section("evaluation", name)
            for name in (
                "sampling",
                "batch",
                "volumes",
                "bootstrap",
                "calibration_scans",
                "precision",
                "channels_last",
            )
        },
        method=settings.method_of("eval_forecasting"),
        seed=settings.seed,
        code=code_digest("eval_forecasting"),
    script:
        "../workflow/scripts/eval_forecasting.py"


rule table_forecasting:
    """Every forecast from one and from two visits, and which differences count."""
    input:
        study=rules.eval_forecasting.output,
        audited=AUDITED,
    output:
        one_visit=f"{RESULTS}/paper/tables/forecasting_one_visit.tsv",
        two_visits=f"{RESULTS}/paper/tables/forecasting_two_visits.tsv",
        differences=f"{RESULTS}/paper/tables/forecasting_differences.tsv",
    log:
        f"{RESULTS}/logs/table_forecasting.log",
    benchmark:
        f"{RESULTS}/benchmarks/table_forecasting.tsv"
    conda:
        "../envs/cpu.yaml"
    params:
        evaluate=at(EVALUATE),
        code=code_digest("table_forecasting"),
    script:
        "../workflow/scripts/table_forecasting.py"


rule figure_forecasting:
    """How well every method forecasts the next visit."""
    input:
        one_visit=rules.eval_forecasting.output.one_visit,
        two_visits=rules.eval_forecasting.output.two_visits,
        by_group=rules.eval_forecasting.output.by_group,
    output:
        svg=f"{RESULTS}/paper/figures/figure_forecasting.svg",
        png=f"{RESULTS}/paper/figures/figure_forecasting.png",
    log:
        f"{RESULTS}/logs/figure_forecasting.log",
    benchmark:
        f"{RESULTS}/benchmarks/figure_forecasting.tsv"
    conda:
        "../envs/cpu.yaml"
    params:
        code=code_digest("figure_forecasting"),
    script:
        "../workflow/scripts/figure_forecasting.py"
