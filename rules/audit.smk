# Has anything of the test subjects reached what is fitted? A finding that nobody allows stops headline and tables.


rule audit_leakage:
    """Splits, stores, training scans, near copies, codes and fitted probes, looked through for traces of test subjects."""
    input:
        volumes=rules.pack_volumes.output[0],
        latents=rules.encode_latents.output[0],
        codes=rules.encode_codes.output,
        models=MODELS,
        splits=rules.make_splits.output.splits,
        fitted=f"{EVALUATE}/probes/fitted.json",
    output:
        table=AUDITED,
    log:
        f"{RESULTS}/logs/audit_leakage.log",
    benchmark:
        f"{RESULTS}/benchmarks/audit_leakage.tsv"
    conda:
        "../envs/cpu.yaml"
    params:
        train=at(TRAIN),
        store=at(STORE),
        folder=at(f"{EVALUATE}/audit"),
        method=settings.method_of("audit_leakage"),
        allow=settings.section("audit", "allow"),
        arithmetic=settings.arithmetic(),
        batch=settings.evaluation.batch,
        frozen=settings.model is not None,
        seed=settings.seed,
        code=code_digest("audit_leakage"),
    script:
        "../workflow/scripts/audit_leakage.py"
