"""Stores of codes made by trained networks."""
