"""The noise schedule and small pure functions that sample with it."""
