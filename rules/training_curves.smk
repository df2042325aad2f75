# What the trainings recorded of themselves.


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
        train=at(TRAIN),
        code=code_digest("figure_training"),
    script:
        "../workflow/scripts/figure_training.py"
