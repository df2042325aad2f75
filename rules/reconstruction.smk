# How well every way to decode does, by solver and number of steps too.


rule eval_reconstruction:
    """Reconstruction quality of every way to decode, of the voxel-space baseline, and what both have to beat."""
    input:
        models=MODELS,
        dae=DAE,
        volumes=rules.pack_volumes.output[0],
        latents=rules.encode_latents.output[0],
        codes=rules.encode_codes.output,
        splits=rules.make_splits.output.splits,
        qc=QC.qc,
        truth=TRUTH,
    output:
        scans=f"{RESULTS}/evaluate/reconstruction/scans.tsv",
        summary=f"{RESULTS}/evaluate/reconstruction/summary.tsv",
        differences=f"{RESULTS}/evaluate/reconstruction/differences.tsv",
        ventricles=f"{RESULTS}/evaluate/reconstruction/ventricles.tsv",
        x_T=f"{RESULTS}/evaluate/reconstruction/x_T.tsv",
        code_sizes=f"{RESULTS}/evaluate/reconstruction/code_sizes.tsv",
        reads=f"{RESULTS}/evaluate/reconstruction/reads.tsv",
    log:
        f"{RESULTS}/logs/eval_reconstruction.log",
    benchmark:
        f"{RESULTS}/benchmarks/eval_reconstruction.tsv"
    conda:
        "../envs/gpu.yaml"
    params:
        train=at(TRAIN),
        store=at(STORE),
        folder=at(f"{EVALUATE}/reconstruction"),
        settings=settings.section("evaluation"),
        method=settings.method_of("eval_reconstruction"),
        seed=settings.seed,
        code=code_digest("eval_reconstruction"),
    script:
        "../workflow/scripts/eval_reconstruction.py"


rule eval_solvers:
    """Reconstruction quality against network calls: other solvers, fewer steps."""
    input:
        models=MODELS,
        dae=DAE,
        volumes=rules.pack_volumes.output[0],
        latents=rules.encode_latents.output[0],
        codes=rules.encode_codes.output,
        solver_codes=rules.encode_solver_codes.output,
        splits=rules.make_splits.output.splits,
    output:
        scans=f"{RESULTS}/evaluate/solvers/scans.tsv",
        summary=f"{RESULTS}/evaluate/solvers/summary.tsv",
        reads=f"{RESULTS}/evaluate/solvers/reads.tsv",
    log:
        f"{RESULTS}/logs/eval_solvers.log",
    benchmark:
        f"{RESULTS}/benchmarks/eval_solvers.tsv"
    conda:
        "../envs/gpu.yaml"
    params:
        train=at(TRAIN),
        store=at(STORE),
        folder=at(f"{EVALUATE}/solvers"),
        settings=settings.section("evaluation"),
        method=settings.method_of("eval_solvers"),
        seed=settings.seed,
        code=code_digest("eval_solvers"),
    script:
        "../workflow/scripts/eval_solvers.py"


rule table_reconstruction:
    """Table 6: reconstruction, ours beside the paper's."""
    input:
        study=rules.eval_reconstruction.output,
        audited=AUDITED,
    output:
        reconstruction=f"{RESULTS}/paper/tables/reconstruction.tsv",
    log:
        f"{RESULTS}/logs/table_reconstruction.log",
    benchmark:
        f"{RESULTS}/benchmarks/table_reconstruction.tsv"
    conda:
        "../envs/cpu.yaml"
    params:
        evaluate=at(EVALUATE),
        code=code_digest("table_reconstruction"),
    script:
        "../workflow/scripts/table_reconstruction.py"


rule table_solvers:
    """Table 6 by solver and number of steps, with the moments of x_T."""
    input:
        summary=rules.eval_solvers.output.summary,
        audited=AUDITED,
    output:
        solvers=f"{RESULTS}/paper/tables/solvers.tsv",
    log:
        f"{RESULTS}/logs/table_solvers.log",
    benchmark:
        f"{RESULTS}/benchmarks/table_solvers.tsv"
    conda:
        "../envs/cpu.yaml"
    params:
        code=code_digest("table_solvers"),
    script:
        "../workflow/scripts/table_solvers.py"


rule figure_3_autoencoder:
    """Scan, autoencoder reconstruction, difference."""
    input:
        scans=rules.eval_reconstruction.output.scans,
    output:
        svg=f"{RESULTS}/paper/figures/figure_3_autoencoder.svg",
        png=f"{RESULTS}/paper/figures/figure_3_autoencoder.png",
    log:
        f"{RESULTS}/logs/figure_3_autoencoder.log",
    benchmark:
        f"{RESULTS}/benchmarks/figure_3_autoencoder.tsv"
    conda:
        "../envs/cpu.yaml"
    params:
        examples=at(f"{EVALUATE}/reconstruction/examples"),
        code=code_digest("figure_3_autoencoder"),
    script:
        "../workflow/scripts/figure_3_autoencoder.py"


rule figure_reconstruction_methods:
    """Every way to decode, with intervals."""
    input:
        summary=rules.eval_reconstruction.output.summary,
        ventricles=rules.eval_reconstruction.output.ventricles,
    output:
        svg=f"{RESULTS}/paper/figures/figure_reconstruction_methods.svg",
        png=f"{RESULTS}/paper/figures/figure_reconstruction_methods.png",
    log:
        f"{RESULTS}/logs/figure_reconstruction_methods.log",
    benchmark:
        f"{RESULTS}/benchmarks/figure_reconstruction_methods.tsv"
    conda:
        "../envs/cpu.yaml"
    params:
        code=code_digest("figure_reconstruction_methods"),
    script:
        "../workflow/scripts/figure_reconstruction_methods.py"


rule figure_reconstruction_examples:
    """One scan by every way to decode."""
    input:
        scans=rules.eval_reconstruction.output.scans,
    output:
        svg=f"{RESULTS}/paper/figures/figure_reconstruction_examples.svg",
        png=f"{RESULTS}/paper/figures/figure_reconstruction_examples.png",
    log:
        f"{RESULTS}/logs/figure_reconstruction_examples.log",
    benchmark:
        f"{RESULTS}/benchmarks/figure_reconstruction_examples.tsv"
    conda:
        "../envs/cpu.yaml"
    params:
        examples=at(f"{EVALUATE}/reconstruction/examples"),
        code=code_digest("figure_reconstruction_examples"),
    script:
        "../workflow/scripts/figure_reconstruction_examples.py"


rule figure_solvers:
    """Quality against network calls, by solver."""
    input:
        summary=rules.eval_solvers.output.summary,
    output:
        svg=f"{RESULTS}/paper/figures/figure_solvers.svg",
        png=f"{RESULTS}/paper/figures/figure_solvers.png",
    log:
        f"{RESULTS}/logs/figure_solvers.log",
    benchmark:
        f"{RESULTS}/benchmarks/figure_solvers.tsv"
    conda:
        "../envs/cpu.yaml"
    params:
        code=code_digest("figure_solvers"),
    script:
        "../workflow/scripts/figure_solvers.py"
