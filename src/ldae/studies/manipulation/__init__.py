"""Scans whose semantic code is moved (paper Figures 6 and 7)."""
