"""Who is in the cohort: Table 1, the flow of scans into it, and the mosaic of its quality control."""
