"""The next visit from one or two earlier ones."""
