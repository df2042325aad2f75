"""One training loop, its three stages, and the trained LDAE as one object."""
