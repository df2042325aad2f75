# The paper's figures. No number is made here.


rule figure_1_method:
    """The method in three stages, drawn from the configuration."""
    output:
        svg=f"{RESULTS}/paper/figures/figure_1_method.svg",
        png=f"{RESULTS}/paper/figures/figure_1_method.png",
    log:
        f"{RESULTS}/logs/figure_1_method.log",
    benchmark:
        f"{RESULTS}/benchmarks/figure_1_method.tsv"
    conda:
        "../envs/cpu.yaml"
    params:
        settings=settings.section(),
        code=code_digest("figure_1_method"),
    script:
        "../workflow/scripts/figure_1_method.py"


rule figure_2_encoder:
    """The semantic encoder, drawn from the configuration."""
    output:
        svg=f"{RESULTS}/paper/figures/figure_2_encoder.svg",
        png=f"{RESULTS}/paper/figures/figure_2_encoder.png",
    log:
        f"{RESULTS}/logs/figure_2_encoder.log",
    benchmark:
        f"{RESULTS}/benchmarks/figure_2_encoder.tsv"
    conda:
        "../envs/cpu.yaml"
    params:
        settings=settings.section(),
        code=code_digest("figure_2_encoder"),
    script:
        "../workflow/scripts/figure_2_encoder.py"


rule figure_cohort:
    """Who is in: downloaded, converted, kept; visits by diagnosis."""
    input:
        flow=rules.table_cohort.output.flow,
        scans=rules.build_manifest.output.scans,
        splits=rules.make_splits.output.splits,
    output:
        svg=f"{RESULTS}/paper/figures/figure_cohort.svg",
        png=f"{RESULTS}/paper/figures/figure_cohort.png",
    log:
        f"{RESULTS}/logs/figure_cohort.log",
    benchmark:
        f"{RESULTS}/benchmarks/figure_cohort.tsv"
    conda:
        "../envs/cpu.yaml"
    params:
        code=code_digest("figure_cohort"),
    script:
        "../workflow/scripts/figure_cohort.py"


rule figure_training:
    """Losses and validation of the three stages."""
    input:
        autoencoder=rules.train_autoencoder.output.metrics,
        diffusion=rules.train_diffusion.output.metrics,
        representation=rules.train_representation.output.metrics,
    output:
        svg=f"{RESULTS}/paper/figures/figure_training.svg",
        png=f"{RESULTS}/paper/figures/figure_training.png",
    log:
        f"{RESULTS}/logs/figure_training.log",
    benchmark:
        f"{RESULTS}/benchmarks/figure_training.tsv"
    conda:
        "../envs/cpu.yaml"
    params:
        code=code_digest("figure_training"),
    script:
        "../workflow/scripts/figure_training.py"


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
        code=code_digest("figure_samples"),
    script:
        "../workflow/scripts/figure_samples.py"


rule figure_probes:
    """AUC and age error of every feature set."""
    input:
        summary=rules.fit_probes.output.summary,
    output:
        svg=f"{RESULTS}/paper/figures/figure_probes.svg",
        png=f"{RESULTS}/paper/figures/figure_probes.png",
    log:
        f"{RESULTS}/logs/figure_probes.log",
    benchmark:
        f"{RESULTS}/benchmarks/figure_probes.tsv"
    conda:
        "../envs/cpu.yaml"
    params:
        code=code_digest("figure_probes"),
    script:
        "../workflow/scripts/figure_probes.py"


rule figure_label_efficiency:
    """Probes with 1 % to all of the labels."""
    input:
        estimates=rules.eval_probe_checks.output.label_efficiency,
    output:
        svg=f"{RESULTS}/paper/figures/figure_label_efficiency.svg",
        png=f"{RESULTS}/paper/figures/figure_label_efficiency.png",
    log:
        f"{RESULTS}/logs/figure_label_efficiency.log",
    benchmark:
        f"{RESULTS}/benchmarks/figure_label_efficiency.tsv"
    conda:
        "../envs/cpu.yaml"
    params:
        code=code_digest("figure_label_efficiency"),
    script:
        "../workflow/scripts/figure_label_efficiency.py"


rule figure_confounds:
    """What the codes know of scanner and study phase, and the results with these held fixed."""
    input:
        estimates=rules.eval_probe_checks.output.confounds,
    output:
        svg=f"{RESULTS}/paper/figures/figure_confounds.svg",
        png=f"{RESULTS}/paper/figures/figure_confounds.png",
    log:
        f"{RESULTS}/logs/figure_confounds.log",
    benchmark:
        f"{RESULTS}/benchmarks/figure_confounds.tsv"
    conda:
        "../envs/cpu.yaml"
    params:
        code=code_digest("figure_confounds"),
    script:
        "../workflow/scripts/figure_confounds.py"


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
        code=code_digest("figure_3_autoencoder"),
    script:
        "../workflow/scripts/figure_3_autoencoder.py"


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
        code=code_digest("figure_reconstruction_examples"),
    script:
        "../workflow/scripts/figure_reconstruction_examples.py"


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
        code=code_digest("figure_4_variation"),
    script:
        "../workflow/scripts/figure_4_variation.py"


rule figure_5_lda:
    """Discriminant axes fitted on training subjects, test subjects drawn."""
    input:
        lda=rules.fit_probes.output.lda,
    output:
        svg=f"{RESULTS}/paper/figures/figure_5_lda.svg",
        png=f"{RESULTS}/paper/figures/figure_5_lda.png",
    log:
        f"{RESULTS}/logs/figure_5_lda.log",
    benchmark:
        f"{RESULTS}/benchmarks/figure_5_lda.tsv"
    conda:
        "../envs/cpu.yaml"
    params:
        code=code_digest("figure_5_lda"),
    script:
        "../workflow/scripts/figure_5_lda.py"


rule figure_6_manipulation:
    """Two scans moved along the probe, with signed differences; on phantoms the true counterfactuals below."""
    input:
        scans=rules.eval_manipulation.output.scans,
    output:
        svg=f"{RESULTS}/paper/figures/figure_6_manipulation.svg",
        png=f"{RESULTS}/paper/figures/figure_6_manipulation.png",
    log:
        f"{RESULTS}/logs/figure_6_manipulation.log",
    benchmark:
        f"{RESULTS}/benchmarks/figure_6_manipulation.tsv"
    conda:
        "../envs/cpu.yaml"
    params:
        code=code_digest("figure_6_manipulation"),
    script:
        "../workflow/scripts/figure_6_manipulation.py"


rule figure_7_dose_response:
    """Volumes, the probe's second opinion and everything else, against the probability aimed at."""
    input:
        scans=rules.eval_manipulation.output.scans,
        doses=rules.eval_manipulation.output.doses,
        summary=rules.eval_manipulation.output.summary,
    output:
        svg=f"{RESULTS}/paper/figures/figure_7_dose_response.svg",
        png=f"{RESULTS}/paper/figures/figure_7_dose_response.png",
    log:
        f"{RESULTS}/logs/figure_7_dose_response.log",
    benchmark:
        f"{RESULTS}/benchmarks/figure_7_dose_response.tsv"
    conda:
        "../envs/cpu.yaml"
    params:
        code=code_digest("figure_7_dose_response"),
    script:
        "../workflow/scripts/figure_7_dose_response.py"


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
        code=code_digest("figure_9_interpolation_examples"),
    script:
        "../workflow/scripts/figure_9_interpolation_examples.py"


rule figure_qc:
    """The scans that follow the template least."""
    input:
        mosaic=QC.mosaic,
        qc=QC.qc,
    output:
        svg=f"{RESULTS}/paper/figures/figure_qc.svg",
        png=f"{RESULTS}/paper/figures/figure_qc.png",
    log:
        f"{RESULTS}/logs/figure_qc.log",
    benchmark:
        f"{RESULTS}/benchmarks/figure_qc.tsv"
    conda:
        "../envs/cpu.yaml"
    params:
        code=code_digest("figure_qc"),
    script:
        "../workflow/scripts/figure_qc.py"


FIGURES = [
    rules.figure_1_method.output,
    rules.figure_2_encoder.output,
    rules.figure_cohort.output,
    rules.figure_training.output,
    rules.figure_reconstruction_methods.output,
    rules.figure_solvers.output,
    rules.figure_samples.output,
    rules.figure_probes.output,
    rules.figure_label_efficiency.output,
    rules.figure_confounds.output,
    rules.figure_3_autoencoder.output,
    rules.figure_reconstruction_examples.output,
    rules.figure_4_variation.output,
    rules.figure_5_lda.output,
    rules.figure_6_manipulation.output,
    rules.figure_7_dose_response.output,
    rules.figure_8_interpolation.output,
    rules.figure_9_interpolation_examples.output,
    rules.figure_qc.output,
]
