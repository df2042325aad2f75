# The studies of the paper: one row per scan or triplet, a summary with subject-level intervals.

MODELS = [
    rules.train_autoencoder.output.model,
    rules.train_diffusion.output.model,
    rules.train_representation.output.model,
]
DAE = [
    rules.train_dae.output.model,
    rules.pack_volumes_dae.output[0],
    rules.encode_baselines.output.y_dae,
]


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
        settings=settings.section("evaluation"),
        method=settings.method_of("eval_reconstruction"),
        seed=settings.seed,
        code=code_digest("eval_reconstruction"),
    script:
        "../workflow/scripts/eval_reconstruction.py"


rule fit_probes:
    """Linear probes of y_sem (diagnosis, age) beside what it has to beat: other codes, tissue volumes, demographics."""
    input:
        volumes=rules.pack_volumes.output[0],
        codes=rules.encode_codes.output,
        baselines=rules.encode_baselines.output,
        splits=rules.make_splits.output.splits,
        truth=TRUTH,
    output:
        predictions=f"{RESULTS}/evaluate/probes/predictions.tsv",
        summary=f"{RESULTS}/evaluate/probes/summary.tsv",
        differences=f"{RESULTS}/evaluate/probes/differences.tsv",
        lda=f"{RESULTS}/evaluate/probes/lda.tsv",
        fitted=f"{RESULTS}/evaluate/probes/fitted.json",
        probe=f"{RESULTS}/evaluate/probes/probe_ad.json",
    log:
        f"{RESULTS}/logs/fit_probes.log",
    benchmark:
        f"{RESULTS}/benchmarks/fit_probes.tsv"
    priority: 10  # the longest path of the evaluation
    conda:
        "../envs/cpu.yaml"
    params:
        settings=settings.section("evaluation"),
        method=settings.method_of("fit_probes"),
        seed=settings.seed,
        code=code_digest("fit_probes"),
    script:
        "../workflow/scripts/fit_probes.py"


rule eval_probe_checks:
    """Field strength and study phase read from the codes, and the probes with 1 % to all of the labels."""
    input:
        volumes=rules.pack_volumes.output[0],
        codes=rules.encode_codes.output,
        baselines=rules.encode_baselines.output,
        splits=rules.make_splits.output.splits,
        scans=rules.build_manifest.output.scans,
        predictions=rules.fit_probes.output.predictions,
    output:
        confounds=f"{RESULTS}/evaluate/probe_checks/confounds.tsv",
        label_efficiency=f"{RESULTS}/evaluate/probe_checks/label_efficiency.tsv",
    log:
        f"{RESULTS}/logs/eval_probe_checks.log",
    benchmark:
        f"{RESULTS}/benchmarks/eval_probe_checks.tsv"
    conda:
        "../envs/cpu.yaml"
    params:
        settings=settings.section("evaluation"),
        method=settings.method_of("eval_probe_checks"),
        seed=settings.seed,
        code=code_digest("eval_probe_checks"),
    script:
        "../workflow/scripts/eval_probe_checks.py"


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
    log:
        f"{RESULTS}/logs/eval_interpolation.log",
    benchmark:
        f"{RESULTS}/benchmarks/eval_interpolation.tsv"
    conda:
        "../envs/gpu.yaml"
    params:
        settings=settings.section("evaluation"),
        method=settings.method_of("eval_interpolation"),
        seed=settings.seed,
        code=code_digest("eval_interpolation"),
    script:
        "../workflow/scripts/eval_interpolation.py"


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
        settings=settings.section("evaluation"),
        method=settings.method_of("eval_manipulation"),
        seed=settings.seed,
        phantom=settings.section("phantom") if settings.phantom else None,
        anatomy=f"{RESULTS}/raw/anatomy.npz" if settings.phantom else None,
        code=code_digest("eval_manipulation"),
    script:
        "../workflow/scripts/eval_manipulation.py"


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
        settings=settings.section("evaluation"),
        method=settings.method_of("eval_variation"),
        seed=settings.seed,
        code=code_digest("eval_variation"),
    script:
        "../workflow/scripts/eval_variation.py"


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
        settings=settings.section("evaluation"),
        method=settings.method_of("eval_solvers"),
        seed=settings.seed,
        code=code_digest("eval_solvers"),
    script:
        "../workflow/scripts/eval_solvers.py"


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
    log:
        f"{RESULTS}/logs/eval_samples.log",
    benchmark:
        f"{RESULTS}/benchmarks/eval_samples.tsv"
    conda:
        "../envs/gpu.yaml"
    params:
        settings=settings.section("evaluation"),
        method=settings.method_of("eval_samples"),
        seed=settings.seed,
        code=code_digest("eval_samples"),
    script:
        "../workflow/scripts/eval_samples.py"


rule eval_efficiency:
    """Device hours of every training, and seconds per scan of every method on this device. Differs between re-runs."""
    input:
        models=MODELS,
        dae=DAE,
        supervised=[
            rules.train_supervised_ad.output.description,
            rules.train_supervised_age.output.description,
        ],
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
        settings=settings.section("evaluation"),
        method=settings.method_of("eval_efficiency"),
        seed=settings.seed,
        code=code_digest("eval_efficiency"),
    script:
        "../workflow/scripts/eval_efficiency.py"


rule assemble_headline:
    """The numbers a reader asks for first, in one flat JSON file."""
    input:
        reconstruction=rules.eval_reconstruction.output,
        probes=rules.fit_probes.output,
        interpolation=rules.eval_interpolation.output,
        manipulation=rules.eval_manipulation.output,
        variation=rules.eval_variation.output,
    output:
        headline=f"{RESULTS}/paper/headline.json",
    log:
        f"{RESULTS}/logs/assemble_headline.log",
    benchmark:
        f"{RESULTS}/benchmarks/assemble_headline.tsv"
    conda:
        "../envs/cpu.yaml"
    params:
        config_digest=digest(settings.section()),
        data="phantom" if settings.phantom else settings.source,
        code=code_digest("assemble_headline"),
    script:
        "../workflow/scripts/assemble_headline.py"
