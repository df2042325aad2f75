# The paper's tables, each as TSV, Markdown and LaTeX. No number is made here.


rule table_cohort:
    """Table 1: subjects and scans by diagnosis; the flow of scans; every exclusion with its reason."""
    input:
        inventory=INVENTORY,
        scans=rules.build_manifest.output.scans,
        exclusions=rules.build_manifest.output.exclusions,
        qc=QC.qc,
    output:
        cohort=f"{RESULTS}/paper/tables/cohort.tsv",
        flow=f"{RESULTS}/paper/tables/flow.tsv",
        exclusions=f"{RESULTS}/paper/tables/exclusions.tsv",
    log:
        f"{RESULTS}/logs/table_cohort.log",
    benchmark:
        f"{RESULTS}/benchmarks/table_cohort.tsv"
    conda:
        "../envs/cpu.yaml"
    params:
        code=code_digest("table_cohort"),
    script:
        "../workflow/scripts/table_cohort.py"


rule table_reconstruction:
    """Table 6: reconstruction, ours beside the paper's."""
    input:
        study=rules.eval_reconstruction.output,
    output:
        reconstruction=f"{RESULTS}/paper/tables/reconstruction.tsv",
    log:
        f"{RESULTS}/logs/table_reconstruction.log",
    benchmark:
        f"{RESULTS}/benchmarks/table_reconstruction.tsv"
    conda:
        "../envs/cpu.yaml"
    params:
        code=code_digest("table_reconstruction"),
    script:
        "../workflow/scripts/table_reconstruction.py"


rule table_solvers:
    """Table 6 by solver and number of steps, with the moments of x_T."""
    input:
        summary=rules.eval_solvers.output.summary,
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


rule table_samples:
    """Unconditional samples: distances of distributions, and the nearest training scans."""
    input:
        distances=rules.eval_samples.output.distances,
        memorisation=rules.eval_samples.output.memorisation,
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


rule table_probes:
    """Table 7: linear probes, ours beside the paper's; y_sem against each rival; confounds; label efficiency."""
    input:
        study=rules.fit_probes.output,
        checks=rules.eval_probe_checks.output,
    output:
        probes=f"{RESULTS}/paper/tables/probes.tsv",
        differences=f"{RESULTS}/paper/tables/probe_differences.tsv",
        confounds=f"{RESULTS}/paper/tables/confounds.tsv",
        label_efficiency=f"{RESULTS}/paper/tables/label_efficiency.tsv",
    log:
        f"{RESULTS}/logs/table_probes.log",
    benchmark:
        f"{RESULTS}/benchmarks/table_probes.tsv"
    conda:
        "../envs/cpu.yaml"
    params:
        code=code_digest("table_probes"),
    script:
        "../workflow/scripts/table_probes.py"


rule table_interpolation:
    """Interpolation of every method."""
    input:
        study=rules.eval_interpolation.output,
    output:
        interpolation=f"{RESULTS}/paper/tables/interpolation.tsv",
    log:
        f"{RESULTS}/logs/table_interpolation.log",
    benchmark:
        f"{RESULTS}/benchmarks/table_interpolation.tsv"
    conda:
        "../envs/cpu.yaml"
    params:
        code=code_digest("table_interpolation"),
    script:
        "../workflow/scripts/table_interpolation.py"


rule table_manipulation:
    """Effect of moving y_sem along the probe."""
    input:
        study=rules.eval_manipulation.output,
    output:
        manipulation=f"{RESULTS}/paper/tables/manipulation.tsv",
    log:
        f"{RESULTS}/logs/table_manipulation.log",
    benchmark:
        f"{RESULTS}/benchmarks/table_manipulation.tsv"
    conda:
        "../envs/cpu.yaml"
    params:
        code=code_digest("table_manipulation"),
    script:
        "../workflow/scripts/table_manipulation.py"


rule table_settings:
    """Tables 2 to 4: the settings of the three stages, ours beside the paper's."""
    input:
        autoencoder=rules.train_autoencoder.output.description,
        diffusion=rules.train_diffusion.output.description,
        representation=rules.train_representation.output.description,
    output:
        autoencoder=f"{RESULTS}/paper/tables/settings_autoencoder.tsv",
        diffusion=f"{RESULTS}/paper/tables/settings_diffusion.tsv",
        representation=f"{RESULTS}/paper/tables/settings_representation.tsv",
    log:
        f"{RESULTS}/logs/table_settings.log",
    benchmark:
        f"{RESULTS}/benchmarks/table_settings.tsv"
    conda:
        "../envs/cpu.yaml"
    params:
        settings=settings.section(),
        code=code_digest("table_settings"),
    script:
        "../workflow/scripts/table_settings.py"


TABLES = [
    rules.table_cohort.output,
    rules.table_settings.output,
    rules.table_reconstruction.output,
    rules.table_solvers.output,
    rules.table_samples.output,
    rules.table_efficiency.output,
    rules.table_probes.output,
    rules.table_interpolation.output,
    rules.table_manipulation.output,
]
