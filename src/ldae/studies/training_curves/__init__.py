"""The learning curves of the three stages."""
