"""What the studies share: statistics, metrics, anatomy, inputs, the style of figures and tables."""
