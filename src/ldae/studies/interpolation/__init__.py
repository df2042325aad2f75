"""A visit from the visits around it (paper Figures 8 and 9)."""
