"""The method: as a picture (paper Figures 1 and 2), and its settings (Tables 2 to 4)."""
