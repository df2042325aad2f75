"""Brain extraction backends: each gives the probability of brain on the grid of the scan."""
