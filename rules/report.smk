# What a reader opens: the report, the model card, and the bundle that may leave the machine.

FIGURES = [f"{PAPER}/figures/{figure.name}.{form}" for figure in figures(RUN) for form in ("svg", "png")]
TABLES = [f"{PAPER}/{table.folder}/{table.name}.tsv" for table in tables(RUN)]
HEADLINE = sorted({f"{EVALUATE}/{number.source}" for number in headline(RUN)})


rule assemble_headline:
    """The numbers a reader asks for first, in one flat JSON file."""
    input:
        HEADLINE,
        audited=AUDITED,
        contamination=rules.state_contamination.output[0],
    output:
        headline=f"{RESULTS}/paper/headline.json",
    log:
        f"{RESULTS}/logs/assemble_headline.log",
    benchmark:
        f"{RESULTS}/benchmarks/assemble_headline.tsv"
    conda:
        "../envs/cpu.yaml"
    params:
        evaluate=at(EVALUATE),
        not_run=NOT_RUN,
        config_digest=digest(settings.section()),
        data="phantom" if settings.phantom else settings.source,
        code=code_digest("assemble_headline"),
    script:
        "../workflow/scripts/assemble_headline.py"


if settings.model:

    CARD, EXTERNAL = [], f"{PAPER}/tables/external.tsv"

    rule compare_with_model:
        """External validation: every number of this cohort beside the model's own, the difference with its interval."""
        input:
            headline=rules.assemble_headline.output.headline,
            predictions=rules.fit_probes.output.predictions,
            reference=rules.adopt_model.output.reference,
        output:
            table=EXTERNAL,
        log:
            f"{RESULTS}/logs/compare_with_model.log",
        benchmark:
            f"{RESULTS}/benchmarks/compare_with_model.tsv"
        conda:
            "../envs/cpu.yaml"
        params:
            bootstrap=settings.evaluation.bootstrap,
            seed=settings.seed,
            code=code_digest("compare_with_model"),
        script:
            "../workflow/scripts/compare_with_model.py"

else:

    rule model_card:
        """What the trained networks are for, and what not."""
        input:
            headline=rules.assemble_headline.output.headline,
            autoencoder=rules.train_autoencoder.output.description,
            diffusion=rules.train_diffusion.output.description,
            representation=rules.train_representation.output.description,
            dae=rules.train_dae.output.description if settings.baselines else [],
            supervised=SUPERVISED,
            volumes=rules.pack_volumes.output[0],
            splits=rules.make_splits.output.splits,
        output:
            f"{RESULTS}/paper/MODEL_CARD.md",
        log:
            f"{RESULTS}/logs/model_card.log",
        benchmark:
            f"{RESULTS}/benchmarks/model_card.tsv"
        conda:
            "../envs/cpu.yaml"
        params:
            train=at(TRAIN),
            store=at(STORE),
            settings=settings.section(),
            code=code_digest("model_card"),
        script:
            "../workflow/scripts/model_card.py"

    rule describe_model:
        """What the trained model needs besides its weights to be applied: recipe, probes, reference."""
        input:
            volumes=rules.pack_volumes.output[0],
            codes=rules.encode_codes.output.y_sem,
            models=MODELS,
            splits=rules.make_splits.output.splits,
            predictions=rules.fit_probes.output.predictions,
            fitted=rules.fit_probes.output.fitted,
        output:
            recipe=f"{RESULTS}/model/config.json",
            probes=f"{RESULTS}/model/probes.json",
            reference=f"{RESULTS}/model/reference.json",
            statistics=f"{RESULTS}/model/reference.safetensors",
        log:
            f"{RESULTS}/logs/describe_model.log",
        benchmark:
            f"{RESULTS}/benchmarks/describe_model.tsv"
        conda:
            "../envs/gpu.yaml"
        params:
            folder=at(f"{RESULTS}/model"),
            train=at(TRAIN),
            store=at(STORE),
            probes=at(f"{EVALUATE}/probes"),
            settings=settings.section(),
            code=code_digest("describe_model"),
        script:
            "../workflow/scripts/describe_model.py"

    CARD, EXTERNAL = rules.model_card.output[0], []


rule report_html:
    """One self-contained page, the methods of the run as text with what it is to cite, and reporting checklists."""
    input:
        figures=FIGURES,
        tables=TABLES,
        headline=rules.assemble_headline.output.headline,
        table_1=rules.table_cohort.output.cohort,
        exclusions=rules.table_cohort.output.exclusions,
        notes=rules.build_manifest.output.notes,
        volumes=rules.pack_volumes.output[0],
        latents=rules.encode_latents.output[0],
        models=MODELS,
        splits=rules.make_splits.output.splits,
        contamination=rules.state_contamination.output[0],
        external=EXTERNAL,
    output:
        report=f"{RESULTS}/paper/report.html",
        methods=f"{RESULTS}/paper/METHODS.md",
        references=f"{RESULTS}/paper/references.bib",
        checklist=f"{RESULTS}/paper/CHECKLIST.md",
    log:
        f"{RESULTS}/logs/report_html.log",
    benchmark:
        f"{RESULTS}/benchmarks/report_html.tsv"
    conda:
        "../envs/cpu.yaml"
    params:
        train=at(TRAIN),
        store=at(STORE),
        evaluate=at(EVALUATE),
        paper=at(PAPER),
        settings=settings.section(),
        code=code_digest("report_html"),
    script:
        "../workflow/scripts/report_html.py"


rule bundle_public:
    """What may leave the machine: no single scan, no subject, no identifier. Everything else stays private."""
    input:
        figures=FIGURES,
        tables=TABLES,
        headline=rules.assemble_headline.output.headline,
        table_1=rules.table_cohort.output.cohort,
        exclusions=rules.table_cohort.output.exclusions,
        volumes=rules.pack_volumes.output[0],
        latents=rules.encode_latents.output[0],
        models=MODELS,
        splits=rules.make_splits.output.splits,
        scans=rules.build_manifest.output.scans,
        card=CARD,
        external=EXTERNAL,
        contamination=rules.state_contamination.output[0],
    output:
        report=f"{RESULTS}/public/report.html",
    log:
        f"{RESULTS}/logs/bundle_public.log",
    benchmark:
        f"{RESULTS}/benchmarks/bundle_public.tsv"
    conda:
        "../envs/cpu.yaml"
    params:
        train=at(TRAIN),
        store=at(STORE),
        evaluate=at(EVALUATE),
        paper=at(PAPER),
        public=at(f"{RESULTS}/public"),
        settings=settings.section(),
        code=code_digest("bundle_public"),
    script:
        "../workflow/scripts/bundle_public.py"
