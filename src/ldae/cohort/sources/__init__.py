"""Where scans come from. Each source gives one table, a row per scan, that the manifest is made of.

``columns.COLUMNS`` names what a source has to give; ``adni`` (converted by this workflow) and ``bids`` (any dataset)
read their dataset through ``dataset``, ``authors_csv`` reads the table of the paper's authors.
"""
