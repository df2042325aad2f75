"""What is trained: one file per stage of the paper, and the baselines."""
