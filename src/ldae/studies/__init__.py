"""The paper's studies: what they measure, on which scans, and how certain the numbers are."""
