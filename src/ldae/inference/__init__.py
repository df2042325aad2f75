"""Trained networks, used without their training: load, encode, invert, sample, decode; codes of scans."""
