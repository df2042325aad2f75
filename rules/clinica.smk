# Raw files of OASIS-3 or AIBL -> BIDS, by Clinica's own converter; from there on as any BIDS dataset.


rule convert_study:
    """Run the real converter of Clinica on the raw files of a study."""
    output:
        report=f"{RESULTS}/manifest/clinica.json",
        visits=f"{RESULTS}/manifest/clinica_visits.tsv",
    log:
        f"{RESULTS}/logs/convert_study.log",
    benchmark:
        f"{RESULTS}/benchmarks/convert_study.tsv"
    conda:
        "../envs/cpu.yaml"
    params:
        settings=settings.section("clinica"),
        bids=f"{RESULTS}/bids",
        scratch=f"{RESULTS}/scratch/clinica",
    script:
        "../workflow/scripts/convert_study.py"
