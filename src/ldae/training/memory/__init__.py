"""How much of a GPU each stage needs, counted without running it."""
