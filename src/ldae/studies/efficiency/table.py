"""Table 5, ours beside the paper's: what training cost, and seconds per scan."""

import pandas as pd

# The paper's parameters, passes over its training scans, and hours on A100 times devices.
PUBLISHED_TRAININGS = {
    "autoencoder": ("14 M", "20", "72 (3 days, one A100-80)"),
    "diffusion": ("486 M", "500", "36 (18 hours, two A100-40)"),
    "representation": ("920 M with the frozen ones", "200", "96 (2 days, two A100-40)"),
    "dae": ("130 M", "140", "336 (1 week, two A100-40)"),
}
PUBLISHED_SECONDS = {"ldae_encoded": "6 (A100, T = 100)", "dae_encoded": "120 (A100, T = 100)"}


def trainings_table(trainings: pd.DataFrame) -> pd.DataFrame:
    """One row per training: parameters, passes over the training scans, grid and device hours, the paper's beside."""
    table = trainings.copy()
    passes = table["steps"] * table["batch"] / pd.to_numeric(table["scans"])
    table.insert(table.columns.get_loc("batch") + 1, "epochs", passes)
    columns = (("parameters_trained", "parameters"), ("epochs", "epochs"), ("device_hours", "gpu_hours"))
    for place, (column, name) in enumerate(columns):
        published = table["stage"].map({stage: known[place] for stage, known in PUBLISHED_TRAININGS.items()})
        table.insert(table.columns.get_loc(column) + 1, f"{name}_published", published)
    return table


def methods_table(methods: pd.DataFrame) -> pd.DataFrame:
    """One row per method and batch: ``median [least, most]`` seconds per scan, the paper's (one scan) beside."""
    table = methods.drop(columns=["seconds_per_scan", "least", "most"])
    spread = zip(methods["seconds_per_scan"], methods["least"], methods["most"], strict=True)
    cells = [f"{middle:.3g} [{least:.3g}, {most:.3g}]" for middle, least, most in spread]
    published = methods["method"].map(PUBLISHED_SECONDS).where(methods["batch"] == 1)
    place = table.columns.get_loc("repeats")
    table.insert(place, "seconds_per_scan", cells)
    table.insert(place + 1, "seconds_per_scan_published", published)
    return table
