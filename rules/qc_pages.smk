# The pages on which a person looks at every scan, whether it was preprocessed here or came as a volume (source: csv).


rule qc_pages:
    """Every scan to look at and to rate: one page, with pictures beside it. Only what is new is drawn."""
    input:
        scans=rules.build_manifest.output.scans,
        qc=QC.qc,
        review=ancient(REVIEWED),
    output:
        f"{RESULTS}/qc/index.html",
    log:
        f"{RESULTS}/logs/qc_pages.log",
    benchmark:
        f"{RESULTS}/benchmarks/qc_pages.tsv"
    priority: SEEN_FIRST
    conda:
        "../envs/cpu.yaml"
    params:
        settings=settings.section("preprocessing"),
        review=digest(sorted(REVIEW.items())),
        raw=at(LOOKED_AT["raw"]),
        derivatives=at(LOOKED_AT["derivatives"]),
        given=LOOKED_AT["given"],
        folder=at(f"{RESULTS}/qc"),
        code=code_digest("qc_pages"),
    script:
        "../workflow/scripts/qc_pages.py"


QC_PAGES = rules.qc_pages.output
