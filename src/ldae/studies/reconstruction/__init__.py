"""How well scans are rebuilt, by which code and solver (paper Table 6, Figure 3)."""
