# A cohort on a model that stays as it is (`model:`): no training and no baseline that would need one, nothing is fitted.


rule adopt_model:
    """Copy the networks of the model, byte for byte, with its recipe, probes and reference."""
    input:
        FROZEN,
    output:
        models=MODELS,
        descriptions=list(DESCRIPTION.values()),
        recipe=f"{RESULTS}/model/config.json",
        probes=f"{RESULTS}/model/probes.json",
        reference=f"{RESULTS}/model/reference.json",
        statistics=f"{RESULTS}/model/reference.safetensors",
    log:
        f"{RESULTS}/logs/adopt_model.log",
    benchmark:
        f"{RESULTS}/benchmarks/adopt_model.tsv"
    conda:
        "../envs/cpu.yaml"
    params:
        model=str(settings.model),
        results=at(RESULTS),
        preprocessing=settings.section("preprocessing"),
        source=settings.source,
        code=code_digest("adopt_model"),
    script:
        "../workflow/scripts/adopt_model.py"


TRAINED = MODELS
DAE, SUPERVISED, BASELINES = [], [], []
PROBES = rules.adopt_model.output.probes
