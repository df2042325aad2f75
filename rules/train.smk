# The three stages. A stage's checkpoints live beside its declared outputs, undeclared: Snakemake deletes the declared
# outputs of a killed job, and training must survive that.


rule train_autoencoder:
    """Stage 1: AutoencoderKL."""
    input:
        volumes=rules.pack_volumes.output[0],
        splits=rules.make_splits.output.splits,
    output:
        model=f"{RESULTS}/train/autoencoder/model.safetensors",
        description=f"{RESULTS}/train/autoencoder/model.json",
        metrics=f"{RESULTS}/train/autoencoder/metrics.jsonl",
    log:
        f"{RESULTS}/logs/train_autoencoder.log",
    benchmark:
        f"{RESULTS}/benchmarks/train_autoencoder.tsv"
    priority: LONGEST_PATH
    conda:
        "../envs/gpu.yaml"
    params:
        settings=settings.section("autoencoder"),
        seed=settings.seed_of_trainings,
        start=start_digest(settings, "autoencoder"),
    script:
        "../workflow/scripts/train_autoencoder.py"


rule train_diffusion:
    """Stage 2: unconditional diffusion of the latents."""
    input:
        latents=f"{STORE}/latents/store.json",
        splits=rules.make_splits.output.splits,
    output:
        model=f"{RESULTS}/train/diffusion/model.safetensors",
        description=f"{RESULTS}/train/diffusion/model.json",
        metrics=f"{RESULTS}/train/diffusion/metrics.jsonl",
    log:
        f"{RESULTS}/logs/train_diffusion.log",
    benchmark:
        f"{RESULTS}/benchmarks/train_diffusion.tsv"
    priority: LONGEST_PATH
    conda:
        "../envs/gpu.yaml"
    params:
        settings=settings.section("diffusion"),
        method=settings.method_of("train_diffusion"),
        seed=settings.seed_of_trainings,
        start=start_digest(settings, "diffusion"),
    script:
        "../workflow/scripts/train_diffusion.py"


rule train_representation:
    """Stage 3: semantic encoder and gradient estimator on the frozen stage 2."""
    input:
        volumes=rules.pack_volumes.output[0],
        latents=f"{STORE}/latents/store.json",
        autoencoder=MODEL["autoencoder"],
        diffusion=MODEL["diffusion"],
        splits=rules.make_splits.output.splits,
    output:
        model=f"{RESULTS}/train/representation/model.safetensors",
        description=f"{RESULTS}/train/representation/model.json",
        metrics=f"{RESULTS}/train/representation/metrics.jsonl",
    log:
        f"{RESULTS}/logs/train_representation.log",
    benchmark:
        f"{RESULTS}/benchmarks/train_representation.tsv"
    priority: LONGEST_PATH
    conda:
        "../envs/gpu.yaml"
    params:
        settings=settings.section("representation"),
        method=settings.method_of("train_representation"),
        seed=settings.seed_of_trainings,
        start=start_digest(settings, "representation"),
    script:
        "../workflow/scripts/train_representation.py"
