# The method, drawn and listed from the configuration: Figures 1 and 2, Tables 2 to 4.


rule table_settings:
    """Tables 2 to 4: the settings of the three stages, ours beside the paper's."""
    input:
        autoencoder=DESCRIPTION["autoencoder"],
        diffusion=DESCRIPTION["diffusion"],
        representation=DESCRIPTION["representation"],
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
        train=at(TRAIN),
        settings=settings.section(),
        code=code_digest("table_settings"),
    script:
        "../workflow/scripts/table_settings.py"


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
