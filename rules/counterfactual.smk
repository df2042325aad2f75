# Edits of y_sem held to what a counterfactual must be, and on phantoms to the true one (docs/counterfactual.md).


rule eval_counterfactual:
    """Edits of the diagnosis by four directions, there and back, beside their controls and the truth."""
    input:
        models=MODELS,
        volumes=rules.pack_volumes.output[0],
        latents=rules.encode_latents.output[0],
        codes=rules.encode_codes.output,
        splits=rules.make_splits.output.splits,
        probe=rules.fit_probes.output.probe,
        truth=TRUTH,
    output:
        scans=f"{RESULTS}/evaluate/counterfactual/scans.tsv",
        summary=f"{RESULTS}/evaluate/counterfactual/summary.tsv",
        differences=f"{RESULTS}/evaluate/counterfactual/differences.tsv",
    log:
        f"{RESULTS}/logs/eval_counterfactual.log",
    benchmark:
        f"{RESULTS}/benchmarks/eval_counterfactual.tsv"
    conda:
        "../envs/gpu.yaml"
    params:
        train=at(TRAIN),
        store=at(STORE),
        folder=at(f"{EVALUATE}/counterfactual"),
        settings=settings.section("counterfactual"),
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
        method=settings.method_of("eval_counterfactual"),
        seed=settings.seed,
        phantom=settings.phantom.asked() if settings.phantom else None,
        anatomy=f"{RESULTS}/raw/anatomy.npz" if settings.phantom else None,
        code=code_digest("eval_counterfactual"),
    script:
        "../workflow/scripts/eval_counterfactual.py"


rule table_counterfactual:
    """Every edit by every axiom, and which differences count."""
    input:
        study=rules.eval_counterfactual.output,
        audited=AUDITED,
    output:
        counterfactual=f"{RESULTS}/paper/tables/counterfactual.tsv",
        differences=f"{RESULTS}/paper/tables/counterfactual_differences.tsv",
    log:
        f"{RESULTS}/logs/table_counterfactual.log",
    benchmark:
        f"{RESULTS}/benchmarks/table_counterfactual.tsv"
    conda:
        "../envs/cpu.yaml"
    params:
        evaluate=at(EVALUATE),
        code=code_digest("table_counterfactual"),
    script:
        "../workflow/scripts/table_counterfactual.py"


rule figure_counterfactual:
    """How wrong every edit is, and what it does."""
    input:
        summary=rules.eval_counterfactual.output.summary,
    output:
        svg=f"{RESULTS}/paper/figures/figure_counterfactual.svg",
        png=f"{RESULTS}/paper/figures/figure_counterfactual.png",
    log:
        f"{RESULTS}/logs/figure_counterfactual.log",
    benchmark:
        f"{RESULTS}/benchmarks/figure_counterfactual.tsv"
    conda:
        "../envs/cpu.yaml"
    params:
        code=code_digest("figure_counterfactual"),
    script:
        "../workflow/scripts/figure_counterfactual.py"
