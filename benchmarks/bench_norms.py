"""GroupNorm, two scales and SiLU, forward and backward: as layers, recomputed, and compiled; CPU seconds, interleaved.

On a CPU it shows only that one compiled kernel does less work; a GPU's answer is ``make bench-gpu`` with
``training.compute.compile_norms``. The compiler's first call (half a minute) is not counted.

    python benchmarks/bench_norms.py
"""

import statistics
import time

import torch
from torch import nn

from ldae.networks.rewrites import compiled, compiled_recomputed, normalised, recomputed

WAYS = {function.__name__: function for function in (normalised, recomputed, compiled, compiled_recomputed)}
SHAPE, GROUPS, ROUNDS = (2, 64, 16, 20, 16), 32, 15


def main() -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)
    norm, x = nn.GroupNorm(GROUPS, SHAPE[1]), torch.randn(SHAPE, requires_grad=True)
    pairs = [tuple(torch.randn(*SHAPE[:2], 1, 1, 1, requires_grad=True) for _ in range(2)) for _ in range(2)]
    seconds: dict[str, list[float]] = {name: [] for name in WAYS}
    for _ in range(ROUNDS + 1):
        for name, function in WAYS.items():
            started = time.process_time()
            function(norm, x, pairs).sum().backward()
            seconds[name].append(time.process_time() - started)
    times = {name: statistics.median(values[1:]) for name, values in seconds.items()}
    for name, value in times.items():
        print(f"{name:20} {1000 * value:7.1f} ms  ratio {value / times['normalised']:.2f}")


if __name__ == "__main__":
    main()
