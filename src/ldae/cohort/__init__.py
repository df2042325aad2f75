"""The cohort after conversion: one row per scan, subject-level splits, Table 1."""
