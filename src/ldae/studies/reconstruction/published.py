"""The paper's Table 6, as its authors' repository prints it: what was found of it, by method and steps of DDIM.

SSIM is that of a small window over the whole volume, LPIPS the sum over three axes of half of the slices. The paper's
rows of the unconditional model and of the voxel-space DAE with fewer than 100 steps, and of the DAE from noise, were
not found (docs/statistics.md).
"""

METRICS = ("ssim_w3_paper", "lpips_paper_half", "mse")
SOLVER, STEPS = "ddim", 100
TABLE_6: dict[tuple[str, int | None], tuple[str, str, str]] = {
    ("ae", None): ("0.962", "0.075", "0.001"),
    ("ldae_noise", 10): ("0.872", "0.156", "0.005"),
    ("ldae_noise", 20): ("0.871", "0.155", "0.005"),
    ("ldae_noise", 50): ("0.870", "0.155", "0.005"),
    ("ldae_noise", 100): ("0.869", "0.155", "0.005"),
    ("lddim_encoded", 100): ("0.962", "0.075", "0.001"),
    ("ldae_encoded", 10): ("0.953", "0.081", "0.001"),
    ("ldae_encoded", 20): ("0.960", "0.077", "0.001"),
    ("ldae_encoded", 50): ("0.962", "0.076", "0.001"),
    ("ldae_encoded", 100): ("0.962", "0.075", "0.001"),
    ("dae_encoded", 100): ("0.892", "0.030", "0.001"),
}
OWN_GRID = {"dae_encoded_own_grid": "dae_encoded"}  # the paper does not say on which grid it measured the DAE


def published(method: str, metric: str, steps: int | None = STEPS) -> str | None:
    """The paper's number of a method that decodes in this many steps of DDIM; the autoencoder takes none."""
    name = OWN_GRID.get(method, method)
    numbers = TABLE_6.get((name, None if name == "ae" else steps))
    return dict(zip(METRICS, numbers, strict=True)).get(metric) if numbers else None
