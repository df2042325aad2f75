"""The cohort after conversion: one row per scan, why a scan is left out, and subject-level splits.

Each source of scans gives one table, a row per scan, that the manifest is made of. ``columns.COLUMNS`` names what a
source has to give; ``bids`` (any dataset, and ADNI converted by this workflow) reads its dataset through
``bids_reader``, ``authors_csv`` reads the table of the paper's authors.
"""
