"""Whether a probability of AD may be taken at its word, what a decision by it is worth, and for whom it errs."""
