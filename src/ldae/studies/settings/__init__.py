"""The settings of the three stages (paper Tables 2 to 4)."""
