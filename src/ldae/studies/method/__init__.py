"""The method as a picture (paper Figures 1 and 2)."""
