# What the networks make of every scan: latents, y_sem, and x_T of the test scans.


rule encode_latents:
    """mu and sigma of every scan, and the scale factor measured on the training split."""
    input:
        model=MODEL["autoencoder"],
        volumes=rules.pack_volumes.output[0],
        splits=rules.make_splits.output.splits,
    output:
        f"{RESULTS}/store/latents/store.json",
    log:
        f"{RESULTS}/logs/encode_latents.log",
    benchmark:
        f"{RESULTS}/benchmarks/encode_latents.tsv"
    priority: LONGEST_PATH
    conda:
        "../envs/gpu.yaml"
    params:
        method=settings.method_of("encode_latents"),
        seed=settings.seed,
        arithmetic=settings.arithmetic(),
        code=code_digest("encode_latents"),
    script:
        "../workflow/scripts/encode_latents.py"


rule encode_codes:
    """y_sem of every scan (trained and untrained encoder), x_T of the test scans (with y_sem and unconditional);
    y_sem as a table, too. Whatever is made of them says where the models may have seen the test subjects."""
    input:
        contamination=ancient(f"{EVALUATE}/contamination.json"),
        volumes=rules.pack_volumes.output[0],
        latents=rules.encode_latents.output[0],
        models=MODELS,
        splits=rules.make_splits.output.splits,
    output:
        y_sem=f"{RESULTS}/store/codes/y_sem/store.json",
        untrained=f"{RESULTS}/store/codes/y_sem_untrained/store.json",
        x_T=f"{RESULTS}/store/codes/x_T/store.json",
        unconditional=f"{RESULTS}/store/codes/x_T_unconditional/store.json",
        table=f"{RESULTS}/store/codes/codes.tsv",
        described=f"{RESULTS}/store/codes/codes.json",
    log:
        f"{RESULTS}/logs/encode_codes.log",
    benchmark:
        f"{RESULTS}/benchmarks/encode_codes.tsv"
    priority: LONGEST_PATH
    conda:
        "../envs/gpu.yaml"
    params:
        train=at(TRAIN),
        store=at(STORE),
        sampling=settings.section("evaluation", "sampling"),
        batch=settings.evaluation.batch,
        method=settings.method_of("encode_codes"),
        seed=settings.seed,
        arithmetic=settings.arithmetic(),
        code=code_digest("encode_codes"),
    script:
        "../workflow/scripts/encode_codes.py"


rule encode_solver_codes:
    """x_T of the test scans by the further solvers. The stores stand beside the list, undeclared: those that are there
    with the same key are kept."""
    input:
        volumes=rules.pack_volumes.output[0],
        latents=rules.encode_latents.output[0],
        models=MODELS,
        splits=rules.make_splits.output.splits,
        y_sem=rules.encode_codes.output.y_sem,
    output:
        f"{RESULTS}/store/codes/x_T_solvers.tsv",
    log:
        f"{RESULTS}/logs/encode_solver_codes.log",
    benchmark:
        f"{RESULTS}/benchmarks/encode_solver_codes.tsv"
    priority: 10  # eval_solvers waits for it
    conda:
        "../envs/gpu.yaml"
    params:
        train=at(TRAIN),
        store=at(STORE),
        sampling=settings.section("evaluation", "sampling"),
        solvers=settings.section("evaluation", "solvers"),
        batch=settings.evaluation.batch,
        method=settings.method_of("encode_solver_codes"),
        seed=settings.seed,
        arithmetic=settings.arithmetic(),
        code=code_digest("encode_solver_codes"),
    script:
        "../workflow/scripts/encode_solver_codes.py"


rule state_contamination:
    """Whether the models may have seen the test subjects: imported weights may, and a frozen model. Tables and figures
    then say so."""
    input:
        models=list(DESCRIPTION.values()),
        splits=rules.make_splits.output.splits,
        training_subjects=TRAINED_ON,
        frozen=FROZEN_SPLITS,
    output:
        f"{EVALUATE}/contamination.json",
    log:
        f"{RESULTS}/logs/state_contamination.log",
    benchmark:
        f"{RESULTS}/benchmarks/state_contamination.tsv"
    priority: LONGEST_PATH
    conda:
        "../envs/cpu.yaml"
    params:
        train=at(TRAIN),
        source=settings.source,
        training_subjects=settings.section("imported")["training_subjects"],
        model=str(settings.model) if settings.model else None,
        phantom_seed=settings.seed if settings.phantom else None,
        code=code_digest("state_contamination"),
    script:
        "../workflow/scripts/state_contamination.py"
