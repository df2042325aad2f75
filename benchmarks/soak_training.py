"""Kill trainings at random moments, continue them, compare every delivered byte: ``make soak KILLS=100``.

Ends with one JSON line ``{"kills": ..., "resumes": ..., "mismatches": ...}``; every other training runs under the real
Snakemake, whose job is killed. Tiny networks, CPU.
"""

import argparse
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).parents[1] / "tests/faults"))
torch.set_num_threads(1)  # children are forked

from tiny import DELIVERED, STAGES, STEPS, Cohort, ended, in_a_child, make_cohort, progress, train, wait_for_step  # noqa: E402, I001
from tiny_workflow import RESULTS, make_workflow  # noqa: E402
from ldae.core.files import sha256_file  # noqa: E402

PER_TRAINING = 3  # kills


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    chance, kills, resumes, mismatches, trainings = random.Random(options.seed), 0, 0, 0, 0
    with tempfile.TemporaryDirectory() as scratch:
        cohort = make_cohort(Path(scratch) / "cohort")
        while kills < options.kills:
            stage, under_snakemake = STAGES[trainings // 2 % len(STAGES)], trainings % 2 == 1
            steps = sorted(chance.sample(range(1, STEPS - 3), min(PER_TRAINING, options.kills - kills)))
            folder = Path(scratch) / f"run-{trainings}"
            run = kill_under_snakemake if under_snakemake else kill_here
            out = run(cohort, stage, folder, steps, chance)
            same = all(
                sha256_file(out / name) == sha256_file(cohort.folder / "train" / stage / name) for name in DELIVERED
            )
            kills, resumes, trainings = kills + len(steps), resumes + len(steps), trainings + 1
            mismatches += not same
            print(f"{stage}{' under Snakemake' if under_snakemake else ''}: killed after {steps}, same bytes: {same}")
            shutil.rmtree(folder)
    print(json.dumps({"kills": kills, "resumes": resumes, "mismatches": mismatches}))
    return int(mismatches > 0)


def kill_here(cohort: Cohort, stage: str, out: Path, steps: list[int], chance: random.Random) -> Path:
    """Kill forked processes; returns the folder of the finished training."""
    arguments, reached = cohort.arguments(stage, out), 0
    for attempt, step in enumerate(steps, start=1):
        child = in_a_child(lambda: train(stage, arguments))
        wait_for_step(child, out, max(step, reached + 1), attempt)
        time.sleep(chance.uniform(0, 0.02))
        os.kill(child, signal.SIGKILL)
        ended(child)
        reached = progress(out)[1]
    train(stage, arguments)
    return out


def kill_under_snakemake(cohort: Cohort, stage: str, folder: Path, steps: list[int], chance: random.Random) -> Path:
    """Kill the jobs of the stage's rule, which Snakemake starts again."""
    folder.mkdir()
    workflow, reached = make_workflow(folder), 0
    needed = {
        "train/autoencoder": "train/autoencoder",
        "latents": "store/latents",
        "train/diffusion": "train/diffusion",
    }
    for source in list(needed)[: {"autoencoder": 0, "diffusion": 2, "representation": 3}[stage]]:
        target = shutil.copytree(cohort.folder / source, folder / RESULTS / needed[source])
        for path in Path(target).rglob("*"):
            os.utime(path)  # later than what it was made from
    running = workflow.start(f"train_{stage}", "--retries", str(len(steps)), "--allowed-rules", f"train_{stage}")
    for attempt, step in enumerate(steps, start=1):
        job = workflow.job_at(running, stage, max(step, reached + 1), attempt)
        time.sleep(chance.uniform(0, 0.02))
        os.kill(job, signal.SIGKILL)
        reached = progress(workflow.train(stage))[1]
    if running.wait():
        raise SystemExit(workflow.output())
    return workflow.train(stage)


if __name__ == "__main__":
    sys.exit(main())
