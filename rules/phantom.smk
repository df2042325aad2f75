# A synthetic cohort with known anatomy (demo, smoke, study), in the form in which a real one would come.

if settings.source == "adni":

    rule make_phantom:
        """Write a raw ADNI download, results_dir/raw: DICOM series and study tables."""
        output:
            marker=f"{RESULTS}/raw/phantom.json",
            truth=f"{RESULTS}/raw/truth.tsv",
        log:
            f"{RESULTS}/logs/make_phantom.log",
        benchmark:
            f"{RESULTS}/benchmarks/make_phantom.tsv"
        conda:
            "../envs/cpu.yaml"
        threads: 2
        params:
            settings=settings.phantom.asked(),
            seed=settings.seed,
        script:
            "../workflow/scripts/make_phantom.py"

else:

    rule make_phantom_bids:
        """Write a BIDS dataset, results_dir/raw/bids."""
        output:
            marker=f"{RESULTS}/raw/phantom.json",
            truth=f"{RESULTS}/raw/truth.tsv",
        log:
            f"{RESULTS}/logs/make_phantom_bids.log",
        benchmark:
            f"{RESULTS}/benchmarks/make_phantom_bids.tsv"
        conda:
            "../envs/cpu.yaml"
        threads: 2
        params:
            settings=settings.phantom.asked(),
            seed=settings.seed,
        script:
            "../workflow/scripts/make_phantom_bids.py"
