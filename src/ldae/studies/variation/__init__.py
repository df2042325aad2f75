"""What one semantic code fixes and what it leaves open (paper Figure 4)."""
