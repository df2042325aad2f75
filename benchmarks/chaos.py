"""Faults in a run, and what they cost: `make chaos SEED=1`.

    python benchmarks/chaos.py [--seed 1] [--out results/chaos] [--faults kill_snakemake flipped_file ...]

Two copies of the workflow run the smoke chain. Nothing happens to the first. Of the second, jobs, trainings, writers of
stores, Clinica and Snakemake itself are killed at random moments, its disk is full for a while, a second run is started
beside it; then its finished results are cut off, flipped, deleted, given other times, made read-only, moved. After each
fault only the commands of docs/reproducibility.md and docs/cluster.md are given (`ldae run`; `ldae unlock`; `ldae
verify --repair` and what it prints). Then every table, figure, model and store is compared with the first run's.

The last line is JSON: faults injected; survived (the commands ended without an error); lost, the files that are not the
first run's, byte by byte, and the trainings that began anew; how many commands it took. The exit status is 1 if a fault
was not survived, something was lost, or a fault could not be injected here (the line says why).
"""

import argparse
import json
import os
import random
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import psutil
from compare_results import differences

from ldae.core import checksums

ROOT = Path(__file__).parents[1]
PARTS = ("Snakefile", "rules", "workflow", "config", "envs", "profiles")
CONFIGS = ("config/small_networks.yaml", "config/demo.yaml", "config/smoke.yaml")
RESULTS = Path("results/smoke")
TRAININGS = ("train_autoencoder", "train_diffusion", "train_representation")
PATIENCE = 900  # seconds until a process that shall be killed must have appeared
SOON = 20  # seconds until another process of the same kind must have appeared
TRIES = 4  # of the commands after one fault
SPARE = 2 << 20  # bytes that the full disk still takes
PAGE = 4096  # bytes; a file in memory fills whole ones


class NotInjected(Exception):
    """The fault cannot be made on this machine, or what it needs did not come."""


@dataclass
class Copy:
    """A copy of the workflow, and the documented commands in it; what they print goes to chaos.log beside it."""

    folder: Path
    commands: int = 0

    @property
    def results(self) -> Path:
        return self.folder / RESULTS

    def popen(self, *command: str, prefix: tuple[str, ...] = ()) -> subprocess.Popen:
        binaries = Path(sys.executable).parent
        environment = os.environ | {"PATH": f"{binaries}{os.pathsep}{os.environ['PATH']}"}
        self.commands += 1
        with open(self.folder.with_suffix(".log"), "ab") as log:
            log.write(f"\n$ {shlex.join([*prefix, *command])}\n".encode())
            log.flush()
            return subprocess.Popen([*prefix, *command], cwd=self.folder, env=environment, stdout=log, stderr=log)

    def said(self) -> str:
        """What the last command printed."""
        return self.folder.with_suffix(".log").read_text(errors="replace").rpartition("\n$ ")[2]

    def chain(self, prefix: tuple[str, ...] = ()) -> subprocess.Popen:
        return self.popen("ldae", "run", "--config", *CONFIGS, prefix=prefix)

    def unlock(self) -> None:
        """As the pages say: again until the jobs that a killed Snakemake left have ended."""
        deadline = time.monotonic() + PATIENCE
        while self.popen("ldae", "unlock").wait() and time.monotonic() < deadline:
            time.sleep(2)

    def recover(self) -> bool:
        """Whether the documented commands end well: the run, after an unlock where it was locked, after a repair where
        it refuses a file."""
        for _ in range(TRIES):
            if self.chain().wait() == 0:
                return True
            if any((self.folder / ".snakemake/locks").glob("*.lock")):
                self.unlock()
            else:
                self.repair()
        return False

    def repair(self) -> bool:
        """`ldae verify --repair`, and the command that it prints; whether there was anything to repair."""
        if self.popen("ldae", "verify", str(RESULTS), "--repair", "--config", *CONFIGS).wait() == 0:
            return False
        printed = [line for line in self.said().splitlines() if line.startswith("snakemake ")]
        if printed:
            self.popen(*shlex.split(printed[-1])).wait()
        return bool(printed)

    def models(self) -> dict[str, int]:
        """Training -> attempts so far, of those that have delivered."""
        found = {}
        for rule in TRAININGS:
            folder = self.results / "train" / rule.removeprefix("train_")
            attempts = folder / "checkpoints/attempts.json"
            if (folder / "model.safetensors").is_file() and attempts.is_file():
                found[rule] = len(json.loads(attempts.read_text())["attempts"])
        return found


def make_copy(folder: Path) -> Copy:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for part in PARTS:
        source = ROOT / part
        (shutil.copytree if source.is_dir() else shutil.copy)(source, folder / part)
    folder.with_suffix(".log").unlink(missing_ok=True)
    return Copy(folder)


def recorded(copy: Copy, rng: random.Random, within: tuple[str, ...]) -> Path:
    """A file that a job has recorded, large enough to be cut, in one of these folders of the results."""
    names = {name for record in checksums.records(copy.results) for name in record.files}
    paths = [copy.results / name for name in sorted(names) if Path(name).parts[0] in within]
    return rng.choice([path for path in paths if path.is_file() and path.stat().st_size > 8])


# Faults while the chain runs. Each is given the run, which goes on or has ended when it returns.


def processes(running: subprocess.Popen, words: tuple[str, ...]) -> list[psutil.Process]:
    """Descendants of the run whose command line has one of these words."""
    found = []
    for child in psutil.Process(running.pid).children(recursive=True):
        try:
            line = " ".join(child.cmdline())
        except psutil.Error:
            continue
        if any(word in line for word in words) and child.status() != psutil.STATUS_ZOMBIE:
            found.append(child)
    return found


def usual_seconds(copy: Copy, word: str) -> float:
    """How long a job took in the run that nothing happens to; 2 where that is unknown."""
    benchmarks = copy.folder.with_name("reference") / RESULTS / "benchmarks"
    found = next(benchmarks.glob(f"**/{word.strip('.')}.tsv"), None)
    return float(found.read_text().splitlines()[1].split("\t")[0]) if found else 2.0


def kill_one_of(*words: str) -> Callable[[Copy, subprocess.Popen, random.Random], None]:
    """SIGKILL to a process with one of these words, within the first half of the time that its job usually takes."""

    def fault(copy: Copy, running: subprocess.Popen, rng: random.Random) -> None:
        deadline, longest = time.monotonic() + PATIENCE, min(usual_seconds(copy, word) for word in words) / 2
        reason = f"no process of {' or '.join(words)} was seen"
        while running.poll() is None and time.monotonic() < deadline:
            if processes(running, words):
                time.sleep(rng.uniform(0, longest))
                if found := processes(running, words):
                    rng.choice(found).kill()
                    return
                longest, reason = longest / 4, f"{' or '.join(words)} had ended before it could be killed"
                deadline = min(deadline, time.monotonic() + SOON)  # another one may come; faults of later steps wait
            time.sleep(0.02)
        raise NotInjected(reason)

    return fault


def full_disk(copy: Copy, running: subprocess.Popen, rng: random.Random) -> None:
    """The run is stopped and started on a disk with little room; what it wrote there is kept, as on a real one.

    A file system in memory stands in for the disk, in a mount namespace of its own: nothing else sees it.
    """
    stop(running)
    copy.unlock()
    sizes = [path.lstat().st_size for path in copy.results.rglob("*")]
    room = sum(-(-size // PAGE) * PAGE for size in sizes) + SPARE
    small = copy.folder / "small_disk"
    small.mkdir()
    script = (
        f"mount -t tmpfs -o size={room} tmpfs small_disk && cp -a {RESULTS}/. small_disk/ || exit 70\n"
        f"mount --bind small_disk {RESULTS} || exit 70\n"
        f"ldae run --config {shlex.join(CONFIGS)}; status=$?\n"
        f"umount {RESULTS} && rm -rf {RESULTS} && cp -a small_disk {RESULTS} || exit 71\nexit $status"
    )
    status = copy.popen("sh", "-c", script, prefix=NAMESPACE).wait()
    small.rmdir()
    if status in (70, 71) or status == 0:
        raise NotInjected(f"a small disk could not be made, or was large enough (status {status}; see the log)")


def second_run(copy: Copy, running: subprocess.Popen, rng: random.Random) -> None:
    """Another `ldae run` in the same folder, which has to refuse."""
    while running.poll() is None and not processes(running, (".snakemake/scripts",)):
        time.sleep(0.1)
    if copy.chain().wait() == 0:
        raise NotInjected("the first run had ended")


NAMESPACE = ("unshare", "--user", "--map-root-user", "--mount")


def stop(running: subprocess.Popen) -> None:
    running.terminate()
    running.wait()


RUNNING: dict[str, Callable[[Copy, subprocess.Popen, random.Random], None]] = {
    "kill_phantom": kill_one_of(".make_phantom"),
    "kill_clinica": kill_one_of("clinica convert", "bin/clinica"),
    "kill_preprocessing": kill_one_of(".correct_bias_field.", ".extract_brain.", ".register_mni."),
    "kill_volume_store": kill_one_of(".pack_volumes."),
    "kill_snakemake": kill_one_of("/snakemake --profile"),
    "kill_stage_1": kill_one_of(".train_autoencoder."),
    "second_run": second_run,
    "kill_latent_store": kill_one_of(".encode_latents."),
    "kill_stage_2": kill_one_of(".train_diffusion."),
    "full_disk": full_disk,
    "kill_stage_3": kill_one_of(".train_representation."),
    "kill_code_store": kill_one_of(".encode_codes."),
    "kill_snakemake_again": kill_one_of("/snakemake --profile"),
    "kill_study": kill_one_of(".eval_", ".fit_probes."),
    "kill_report": kill_one_of(".report_html.", ".bundle_public."),
}

# Faults of finished results.


def flipped_table(copy: Copy, rng: random.Random) -> None:
    flip(recorded(copy, rng, ("evaluate", "paper")), rng)


def flipped_manifest(copy: Copy, rng: random.Random) -> None:
    """Everything follows from it, so that all is made again but the trainings."""
    flip(copy.results / "manifest" / rng.choice(("scans.tsv", "splits.tsv", "preflight.json")), rng)


def flipped_weights(copy: Copy, rng: random.Random) -> None:
    flip(copy.results / "train" / rng.choice(TRAININGS).removeprefix("train_") / "model.safetensors", rng)


def flipped_store(copy: Copy, rng: random.Random) -> None:
    flip(rng.choice(sorted(copy.results.glob("store/**/data.npy"))), rng)


def flip(path: Path, rng: random.Random) -> None:
    """One bit."""
    content = bytearray(path.read_bytes())
    content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
    path.write_bytes(content)


def truncated_table(copy: Copy, rng: random.Random) -> None:
    path = recorded(copy, rng, ("evaluate", "paper"))
    os.truncate(path, rng.randrange(1, path.stat().st_size))


def emptied_headline(copy: Copy, rng: random.Random) -> None:
    os.truncate(copy.results / "paper/headline.json", 0)


def deleted_deliverables(copy: Copy, rng: random.Random) -> None:
    for _ in range(5):
        recorded(copy, rng, ("evaluate", "paper", "public")).unlink()


def deleted_store_data(copy: Copy, rng: random.Random) -> None:
    rng.choice(sorted(copy.results.glob("store/**/data.npy"))).unlink()


def deleted_folder(copy: Copy, rng: random.Random) -> None:
    shutil.rmtree(copy.results / rng.choice(("paper", "public")))


def times_reversed(copy: Copy, rng: random.Random) -> None:
    """As a backup may restore them: what was written last is oldest, and the clock was years ahead."""
    paths = sorted((path for path in copy.results.rglob("*") if path.is_file()), key=lambda path: path.stat().st_mtime)
    now = time.time() + 3e8
    for age, path in enumerate(paths):
        os.utime(path, (now - age, now - age))


def read_only(copy: Copy, rng: random.Random) -> None:
    """The results cannot be written while the run is asked for with a table deleted; a disk that is mounted so."""
    recorded(copy, rng, ("paper",)).unlink()
    script = (
        f"mount --bind {RESULTS} {RESULTS} && mount -o remount,bind,ro {RESULTS} || exit 70\n"
        f"ldae run --config {shlex.join(CONFIGS)}"
    )
    status = copy.popen("sh", "-c", script, prefix=NAMESPACE).wait()
    if status in (0, 70):
        raise NotInjected(f"the results could not be made read-only (status {status}; see the log)")


def moved_folder(copy: Copy, rng: random.Random) -> None:
    old, new = copy.folder, copy.folder.with_name(f"{copy.folder.name}-moved")
    shutil.rmtree(new, ignore_errors=True)
    shutil.move(old.with_suffix(".log"), new.with_suffix(".log"))
    copy.folder = old.rename(new)


FINISHED: dict[str, Callable[[Copy, random.Random], None]] = {
    "flipped_table": flipped_table,
    "flipped_manifest": flipped_manifest,
    "truncated_table": truncated_table,
    "emptied_headline": emptied_headline,
    "deleted_deliverables": deleted_deliverables,
    "deleted_store_data": deleted_store_data,
    "flipped_store": flipped_store,
    "flipped_weights": flipped_weights,
    "deleted_folder": deleted_folder,
    "times_reversed": times_reversed,
    "read_only": read_only,
    "moved_folder": moved_folder,
}


@dataclass
class Outcome:
    injected: list[str] = field(default_factory=list)
    not_injected: dict[str, str] = field(default_factory=dict)
    failed: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)

    def line(self, seed: int, commands: int, seconds: float) -> str:
        survived = len(self.injected) - len(self.failed)
        found = {"seed": seed, "injected": len(self.injected), "survived": survived, "lost": len(self.lost)}
        return json.dumps(
            found | {"commands": commands, "minutes": round(seconds / 60, 1), "not_injected": self.not_injected}
        )

    def try_fault(self, name: str, inject: Callable[[], None]) -> bool:
        try:
            inject()
        except NotInjected as error:
            self.leave_out(name, str(error))
            return False
        self.injected.append(name)
        return True

    def leave_out(self, name: str, reason: str) -> None:
        self.not_injected[name] = reason
        print(f"{name}: not injected: {reason}", flush=True)

    def judge(self, name: str, survived: bool, commands: int) -> None:
        if not survived:
            self.failed.append(name)
        print(f"{name}: {'survived' if survived else 'NOT SURVIVED'}, {commands} commands", flush=True)


def harm_the_run(copy: Copy, names: list[str], rng: random.Random, outcome: Outcome) -> None:
    """The chain from its beginning to its end, with these faults on the way, in the order of its steps."""
    running, waiting, before = copy.chain(), [], copy.commands
    for name in names:
        reason = ""
        for _ in range(TRIES):  # the fault before this one may have ended the run, before this one could be made
            if running.poll() is not None:
                if running.returncode == 0:
                    reason = reason or "the chain had ended"
                    break
                if any((copy.folder / ".snakemake/locks").glob("*.lock")):
                    copy.unlock()
                running = copy.chain()
            try:
                RUNNING[name](copy, running, rng)
            except NotInjected as error:
                reason = str(error)
                if running.poll() is None:
                    break
                continue
            reason = ""
            break
        if reason:
            outcome.leave_out(name, reason)
            continue
        waiting.append(name)
        outcome.injected.append(name)
        print(f"{name}: injected", flush=True)
        if name.startswith("kill_snakemake"):
            running.wait()
    survived = running.wait() == 0 or copy.recover()
    for name in waiting:  # of all of them together it is known how the run ended
        outcome.judge(name, survived, copy.commands - before)


def harm_the_results(copy: Copy, names: list[str], rng: random.Random, outcome: Outcome, reference: Copy) -> None:
    for name in names:
        before, models = copy.commands, copy.models()
        if not outcome.try_fault(name, lambda fault=FINISHED[name]: fault(copy, rng)):
            continue
        survived = copy.recover()
        if survived and name.startswith(("flipped", "truncated", "deleted_store")):
            survived = not copy.repair() or copy.recover()
        outcome.judge(name, survived, copy.commands - before)
        outcome.lost += [f"{name}: {difference}" for difference in differences(reference.results, copy.results)]
        if not name.startswith("flipped_weights"):
            outcome.lost += [
                f"{name}: {rule} ran again" for rule, attempts in copy.models().items() if attempts != models.get(rule)
            ]


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, default=ROOT / "results/chaos")
    parser.add_argument("--faults", nargs="+", choices=[*RUNNING, *FINISHED], default=[*RUNNING, *FINISHED])
    options = parser.parse_args(arguments)
    started, rng, outcome = time.monotonic(), random.Random(options.seed), Outcome()
    out = options.out.resolve()
    reference = Copy(out / "reference")
    if not (reference.results / "public/report.html").is_file():
        reference = make_copy(out / "reference")
    if reference.chain().wait():
        print(f"Error: the run that nothing happens to failed; see {reference.folder}.log.", file=sys.stderr)
        return 1
    copy = make_copy(out / f"seed-{options.seed}")
    harm_the_run(copy, [name for name in RUNNING if name in options.faults], rng, outcome)
    outcome.lost += [f"run: {difference}" for difference in differences(reference.results, copy.results)]
    harm_the_results(copy, [name for name in FINISHED if name in options.faults], rng, outcome, reference)
    print(*outcome.lost, sep="\n", end="\n" if outcome.lost else "")
    print(outcome.line(options.seed, copy.commands, time.monotonic() - started))
    return int(bool(outcome.failed or outcome.lost or outcome.not_injected))


if __name__ == "__main__":
    sys.exit(main())
