# What training and decoding cost. Measured anew at every run.


rule eval_efficiency:
    """Device hours of every training, and seconds per scan of every method on this device. Differs between re-runs."""
    input:
        models=MODELS,
        dae=DAE,
        supervised=SUPERVISED,
        volumes=rules.pack_volumes.output[0],
        splits=rules.make_splits.output.splits,
    output:
        methods=f"{RESULTS}/evaluate/efficiency/methods.tsv",
        trainings=f"{RESULTS}/evaluate/efficiency/trainings.tsv",
    log:
        f"{RESULTS}/logs/eval_efficiency.log",
    benchmark:
        f"{RESULTS}/benchmarks/eval_efficiency.tsv"
    conda:
        "../envs/gpu.yaml"
    params:
        train=at(TRAIN),
        store=at(STORE),
        folder=at(f"{EVALUATE}/efficiency"),
        settings=settings.section("evaluation"),
        method=settings.method_of("eval_efficiency"),
        seed=settings.seed,
        code=code_digest("eval_efficiency"),
    script:
        "../workflow/scripts/eval_efficiency.py"


rule table_efficiency:
    """Table 5: parameters, grids, device hours, seconds per scan. Measured anew at every run, so not in the report."""
    input:
        methods=rules.eval_efficiency.output.methods,
        trainings=rules.eval_efficiency.output.trainings,
    output:
        efficiency=f"{RESULTS}/paper/timings/efficiency.tsv",
        trainings=f"{RESULTS}/paper/timings/trainings.tsv",
    log:
        f"{RESULTS}/logs/table_efficiency.log",
    benchmark:
        f"{RESULTS}/benchmarks/table_efficiency.tsv"
    conda:
        "../envs/cpu.yaml"
    params:
        code=code_digest("table_efficiency"),
    script:
        "../workflow/scripts/table_efficiency.py"
