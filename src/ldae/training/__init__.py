"""The one loop that trains every network: its stages, checkpoints, processes, and what it says of itself."""
