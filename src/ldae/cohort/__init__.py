"""The cohort after conversion: one row per scan, why a scan is left out, and subject-level splits."""
