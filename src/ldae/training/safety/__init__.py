"""What keeps a training from being lost: checkpoints, locks, attempts, interruption, time limits."""
