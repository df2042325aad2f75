"""Trained networks on disk and in memory."""
