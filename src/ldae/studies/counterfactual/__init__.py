"""The counterfactual benchmark: edits of y_sem held to what a counterfactual must be, and to the true one."""
