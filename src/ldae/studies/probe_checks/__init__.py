"""What else a code knows, and how many labels a probe needs."""
