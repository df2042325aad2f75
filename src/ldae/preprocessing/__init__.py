"""One T1w scan from BIDS to the grid of the networks: N4, brain extraction, MNI registration, one interpolation."""
