"""Whether a head on another scanner, or scanned again, is the same head to the code."""
