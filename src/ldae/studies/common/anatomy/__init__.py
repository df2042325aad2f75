"""Volumes of anatomy measured in an image without any network."""
