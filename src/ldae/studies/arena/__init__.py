"""The arena of representations: any code in the folds and splits of y_sem, on every task that the manifest knows."""
