"""What the codes know: linear probes, what they have to beat, and what else is in them (paper Table 7, Figure 5)."""
