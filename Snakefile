# LDAE-ADNI: from a raw ADNI download to the tables and figures of "Latent Diffusion Autoencoders".
#
#   ingest      raw DICOM + study tables -> preflight -> Clinica -> BIDS -> manifest -> splits
#   preprocess  N4 -> brain extraction -> MNI registration -> quality control -> volume store
#   train       autoencoder -> latents -> latent diffusion -> semantic encoder + gradient estimator -> codes
#   studies     rules/<study>.smk: what is measured, and the tables and figures made of it, one file per study
#   report      headline numbers, one HTML report, the model card, what may be public
#
# Studies are found by their records (src/ldae/studies/*/record.py). The DAG is static: the number of shards is in the
# configuration, no table is read to plan.
from snakemake.utils import min_version

min_version("9.20")


configfile: "config/config.yaml"


include: "rules/common.smk"


if settings.phantom:

    include: "rules/phantom.smk"


if settings.source == "adni":

    include: "rules/ingest.smk"


if settings.clinica:

    include: "rules/clinica.smk"


include: "rules/manifest.smk"


if settings.source == "csv":

    include: "rules/given_volumes.smk"

else:

    include: "rules/preprocess.smk"


include: "rules/qc_pages.smk"
include: "rules/encode.smk"


if settings.model:

    include: "rules/frozen.smk"

else:

    include: "rules/train.smk"

    if settings.baselines:

        include: "rules/baselines.smk"

    else:
        TRAINED = MODELS
        DAE, SUPERVISED, BASELINES, PROBES = [], [], [], []


for study in RUN:

    include: f"rules/{study.name}.smk"


include: "rules/report.smk"


# What is not there yet, what would be overwritten, and what a training would refuse at its start, before days of other
# work. A plan may be looked at before the download is there.
if workflow.is_main_process:
    for sentence in not_there_yet(settings):
        print(f"Note: {sentence}", file=sys.stderr)
    try:
        require_place(settings)
        require_group(settings)
        require_nobodys_files(settings, {made.name: made.output for made in workflow.rules})
        require_runnable(
            settings,
            {made.name: asked_of(made) for made in workflow.rules if needs_gpu(made)},
            costliest_measure,
            Path(".snakemake/ldae-memory.json"),
        )
    except UserError as error:
        sys.exit("\n".join(f"Error: {placed(line, GIVEN_IN)}" for line in str(error).splitlines()))


# Before the first job: Snakemake would make these folders for everybody, and end every job that reads a file of the future.
onstart:
    written = [path for made in workflow.rules for path in [*made.output, *made.log, made.benchmark] if path]
    written.append(f"{RESULTS}/{RECORDS}/all")
    make_private(settings, [*written, f"{RESULTS}/scratch/clinica"] if settings.clinica else written)
    if ahead := no_later_than_now(Path(RESULTS)):
        print(
            f"{ahead} files of {RESULTS} had times that lie ahead; they are given the present one.", file=sys.stderr
        )


# What people read, and what the studies read, whichever rule makes it; stores are left to those that read them.
PARTS = tuple(f"{RESULTS}/{part}/" for part in ("manifest", "train", "evaluate", "paper", "model", "public"))
FIXED = [path for made in workflow.rules if not made.has_wildcards() for path in made.output]
DELIVERED = [path for path in FIXED if path.startswith(PARTS)]

NOT_WHOLE = {}  # outputs that are there, and what is missing or empty beside them
if workflow.is_main_process:
    try:
        NOT_WHOLE = not_whole(RESULTS, FIXED)
    except UserError as error:
        sys.exit(f"Error: {error}")
    for sentence in NOT_WHOLE.values():
        print(f"Note: {sentence}; it is made again when everything is asked for.", file=sys.stderr)


localrules:
    all,
    ingest,
    preprocess,
    train,
    evaluate,
    figures,


rule all:
    default_target: True
    input:
        DELIVERED,  # each by itself: a file that is there asks for none of those that it was made from
        QC_PAGES,
        again,


rule ingest:
    input:
        rules.build_manifest.output,
        rules.make_splits.output,


rule preprocess:
    input:
        rules.pack_volumes.output,
        QC_PAGES,


rule train:
    input:
        TRAINED,
        BASELINES if settings.manifest.require_diagnosis else [],


rule evaluate:
    input:
        [path for made in workflow.rules for path in made.output if path.startswith(f"{EVALUATE}/")],
        rules.assemble_headline.output,


rule figures:
    input:
        FIGURES,
        TABLES,
        rules.report_html.output,
        CARD,


# In the words of this workflow, before Snakemake says it in its own.
if workflow.is_main_process:
    if sentences := target_mistakes():
        sys.exit("\n".join(f"Error: {sentence}" for sentence in sentences))
