"""What the codes know: linear probes, what they have to beat, how many labels they need (paper Table 7, Figure 5)."""
