"""The quality-control mosaic of preprocessing."""
