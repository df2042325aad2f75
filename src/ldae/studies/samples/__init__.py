"""What stage 2 draws: without a code, and several times for one code (paper Figure 4)."""
