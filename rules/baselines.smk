# The paper's baselines: a voxel-space diffusion autoencoder, and the semantic encoder trained on labels.


rule pack_volumes_dae:
    """Coarser volumes in a smaller box, for the voxel-space baseline."""
    input:
        volumes=rules.pack_volumes.output[0],
    output:
        f"{RESULTS}/store/volumes_dae/store.json",
    log:
        f"{RESULTS}/logs/pack_volumes_dae.log",
    benchmark:
        f"{RESULTS}/benchmarks/pack_volumes_dae.tsv"
    conda:
        "../envs/cpu.yaml"
    params:
        shape=settings.section("dae", "shape"),
        factor=settings.dae.factor,
        code=code_digest("pack_volumes_dae"),
    script:
        "../workflow/scripts/pack_volumes_dae.py"


rule train_dae:
    """Voxel-space diffusion autoencoder."""
    input:
        volumes=rules.pack_volumes_dae.output[0],
        splits=rules.make_splits.output.splits,
    output:
        model=f"{RESULTS}/train/dae/model.safetensors",
        description=f"{RESULTS}/train/dae/model.json",
        metrics=f"{RESULTS}/train/dae/metrics.jsonl",
    log:
        f"{RESULTS}/logs/train_dae.log",
    benchmark:
        f"{RESULTS}/benchmarks/train_dae.tsv"
    conda:
        "../envs/gpu.yaml"
    params:
        settings=settings.section("dae"),
        seed=settings.seed_of_trainings,
        start=start_digest(settings, "dae"),
    script:
        "../workflow/scripts/train_dae.py"


rule train_supervised_ad:
    """The semantic encoder trained on AD against CN."""
    input:
        volumes=rules.pack_volumes.output[0],
        splits=rules.make_splits.output.splits,
    output:
        model=f"{RESULTS}/train/supervised_ad/model.safetensors",
        description=f"{RESULTS}/train/supervised_ad/model.json",
        metrics=f"{RESULTS}/train/supervised_ad/metrics.jsonl",
    log:
        f"{RESULTS}/logs/train_supervised_ad.log",
    benchmark:
        f"{RESULTS}/benchmarks/train_supervised_ad.tsv"
    conda:
        "../envs/gpu.yaml"
    params:
        settings=settings.supervised("supervised_ad"),
        selection=settings.section("supervised_ad", "selection"),
        seed=settings.seed_of_trainings,
        start=start_digest(settings, "supervised_ad"),
    script:
        "../workflow/scripts/train_supervised_ad.py"


rule train_supervised_age:
    """The semantic encoder trained on age."""
    input:
        volumes=rules.pack_volumes.output[0],
        splits=rules.make_splits.output.splits,
    output:
        model=f"{RESULTS}/train/supervised_age/model.safetensors",
        description=f"{RESULTS}/train/supervised_age/model.json",
        metrics=f"{RESULTS}/train/supervised_age/metrics.jsonl",
    log:
        f"{RESULTS}/logs/train_supervised_age.log",
    benchmark:
        f"{RESULTS}/benchmarks/train_supervised_age.tsv"
    conda:
        "../envs/gpu.yaml"
    params:
        settings=settings.supervised("supervised_age"),
        selection=settings.section("supervised_age", "selection"),
        seed=settings.seed_of_trainings,
        start=start_digest(settings, "supervised_age"),
    script:
        "../workflow/scripts/train_supervised_age.py"


rule encode_baselines:
    """Codes of every scan: y of the voxel-space baseline, what the heads of the supervised encoders read."""
    input:
        volumes=rules.pack_volumes.output[0],
        volumes_dae=rules.pack_volumes_dae.output[0],
        models=[
            rules.train_dae.output.model,
            rules.train_supervised_ad.output.model,
            rules.train_supervised_age.output.model,
        ],
    output:
        y_dae=f"{RESULTS}/store/codes/y_dae/store.json",
        supervised_ad=f"{RESULTS}/store/codes/supervised_ad/store.json",
        supervised_age=f"{RESULTS}/store/codes/supervised_age/store.json",
    log:
        f"{RESULTS}/logs/encode_baselines.log",
    benchmark:
        f"{RESULTS}/benchmarks/encode_baselines.tsv"
    conda:
        "../envs/gpu.yaml"
    params:
        train=at(TRAIN),
        store=at(STORE),
        volumes=settings.evaluation.volumes,
        arithmetic=settings.arithmetic(),
        code=code_digest("encode_baselines"),
    script:
        "../workflow/scripts/encode_baselines.py"


# What trainings deliver, as far as a run asks for it.
TRAINED = [*MODELS, rules.train_dae.output.model]
if settings.manifest.require_diagnosis:
    TRAINED += [rules.train_supervised_ad.output.model, rules.train_supervised_age.output.model]
DAE = [
    rules.train_dae.output.model,
    rules.pack_volumes_dae.output[0],
    rules.encode_baselines.output.y_dae,
]
SUPERVISED = [rules.train_supervised_ad.output.description, rules.train_supervised_age.output.description]
BASELINES = rules.encode_baselines.output
PROBES = []
