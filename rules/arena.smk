# Any code against y_sem, on every task that the manifest knows (docs/arena.md).
if workflow.is_main_process:
    try:
        settings.arena.require_there()
    except UserError as error:
        sys.exit(f"Error: {error}")


rule eval_arena:
    """Linear probes of every code on every task; codes that were given pass a guard of leaks first."""
    input:
        volumes=rules.pack_volumes.output[0],
        latents=rules.encode_latents.output,
        codes=rules.encode_codes.output,
        baselines=BASELINES,
        splits=rules.make_splits.output.splits,
        scans=rules.build_manifest.output.scans,
        truth=TRUTH,
        given=[str(path) for path in settings.arena.codes.values()],
    output:
        predictions=f"{RESULTS}/evaluate/arena/predictions.tsv",
        summary=f"{RESULTS}/evaluate/arena/summary.tsv",
        differences=f"{RESULTS}/evaluate/arena/differences.tsv",
        ranks=f"{RESULTS}/evaluate/arena/ranks.tsv",
        codes=f"{RESULTS}/evaluate/arena/codes.tsv",
        names=f"{RESULTS}/evaluate/arena/names.tsv",
    log:
        f"{RESULTS}/logs/eval_arena.log",
    benchmark:
        f"{RESULTS}/benchmarks/eval_arena.tsv"
    conda:
        "../envs/cpu.yaml"
    params:
        store=at(STORE),
        folder=at(f"{EVALUATE}/arena"),
        arena=settings.section("arena"),
        settings={name: settings.section("evaluation", name) for name in ("folds", "bootstrap", "batch")},
        held_out=bool(settings.splits.hold_out),
        frozen=settings.model is not None,
        baselines=settings.baselines and settings.model is None,
        seed=settings.seed,
        code=code_digest("eval_arena"),
    script:
        "../workflow/scripts/eval_arena.py"


rule table_arena:
    """Every code on every task, y_sem against each, and the codes that were given."""
    input:
        study=rules.eval_arena.output,
        audited=AUDITED,
    output:
        arena=f"{RESULTS}/paper/tables/arena.tsv",
        differences=f"{RESULTS}/paper/tables/arena_differences.tsv",
        codes=f"{RESULTS}/paper/tables/arena_codes.tsv",
    log:
        f"{RESULTS}/logs/table_arena.log",
    benchmark:
        f"{RESULTS}/benchmarks/table_arena.tsv"
    conda:
        "../envs/cpu.yaml"
    params:
        evaluate=at(EVALUATE),
        code=code_digest("table_arena"),
    script:
        "../workflow/scripts/table_arena.py"


rule figure_arena:
    """The place of every code among all."""
    input:
        ranks=rules.eval_arena.output.ranks,
    output:
        svg=f"{RESULTS}/paper/figures/figure_arena.svg",
        png=f"{RESULTS}/paper/figures/figure_arena.png",
    log:
        f"{RESULTS}/logs/figure_arena.log",
    benchmark:
        f"{RESULTS}/benchmarks/figure_arena.tsv"
    conda:
        "../envs/cpu.yaml"
    params:
        code=code_digest("figure_arena"),
    script:
        "../workflow/scripts/figure_arena.py"
