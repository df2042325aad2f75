"""Who is in the cohort: Table 1, and the flow of scans into it."""
