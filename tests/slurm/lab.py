"""A real SLURM on one machine, for the tests: munged, slurmctld and three slurmd in a folder of their own.

The daemons are children of a guard process that holds a pipe to the test. When the test ends, however it ends (kill -9
too), the pipe closes, and the guard cancels the jobs, stops the daemons and removes the folder. Ports are free ones and
nothing is written outside the folder, so several labs can run side by side.

Snakemake's SLURM plugin drops SLURM_CONF inside a job. So the clients in the folder's bin/ set it again and call the
real ones; bin/ comes first in PATH and travels to the jobs with the environment.
"""

import ctypes
import getpass
import os
import re
import select
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

HERE = Path(__file__).parent
DAEMONS = ("munged", "slurmctld", "slurmd")
CLIENTS = ("sbatch", "srun", "squeue", "scontrol", "scancel", "sinfo", "sacct", "sacctmgr", "sshare")
PACKAGES = ("slurmctld", "slurmd", "slurm-client", "munge")
NODES = ("cpu01", "gpu01", "gpu02")
MARK = "LDAE_SLURM_LAB"  # in the environment of every process of a lab
AWAY_SECONDS = 5  # how long a killed controller stays away
SEARCH = f"{os.environ['PATH']}:/usr/sbin:/sbin"


def install() -> None:
    """Debian's SLURM and munge, where they are missing and this user may install them.

    Raises:
        RuntimeError: they are missing and cannot be installed. Never a reason to skip.
    """
    missing = [name for name in (*DAEMONS, *CLIENTS[:6]) if not shutil.which(name, path=SEARCH)]
    if not missing:
        return
    if os.geteuid() or not shutil.which("apt-get"):
        raise RuntimeError(
            f"The SLURM tests need {', '.join(missing)}, and this user cannot install them: "
            f"as root, `apt-get install {' '.join(PACKAGES)}`."
        )
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    for command in (["update"], ["install", "--yes", "--no-install-recommends", *PACKAGES]):
        done = subprocess.run(["apt-get", "--quiet", *command], env=environment, capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(f"apt-get {command[0]} failed: {done.stderr.strip()}")


class Lab:
    """The test's side: starts the guard, and asks the cluster."""

    def __init__(self):
        install()
        self.folder = Path(tempfile.mkdtemp(prefix="slurm-lab-"))
        self._guard = subprocess.Popen(
            [sys.executable, str(HERE / "lab.py"), str(self.folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,  # Ctrl-C is for the test; the guard goes by its pipe
        )
        answer = self._guard.stdout.readline().strip()
        if answer != "ready":
            raise RuntimeError(f"The SLURM lab did not start: {answer or 'its guard died'}")

    @property
    def environment(self) -> dict[str, str]:
        """What a process needs to submit to this cluster, and to no other."""
        keep = {name: value for name, value in os.environ.items() if not name.startswith(("SLURM_", "SBATCH_"))}
        cpu = {"LDAE_DEVICE": "cpu"}  # the lab's GPUs are only declared
        return keep | cpu | {"PATH": f"{self.folder}/bin:{keep['PATH']}", MARK: str(self.folder)}

    def call(self, *command: str) -> str:
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(f"{' '.join(command)}: {done.stderr.strip()}")
        return done.stdout

    def jobs(self) -> list[dict[str, str]]:
        """Every job since the start, finished ones too, as ``scontrol -d show job`` tells it (plus ``rule``)."""
        found = []
        for block in self.call("scontrol", "-d", "show", "job").split("\n\n"):
            job = {name: value.strip() for name, value in re.findall(r"(\S+?)=(.*?)(?= \S+=|\n|$)", block)}
            if "JobId" in job:
                job["rule"] = re.match(r"rule_(.*?)(_wildcards_|$)", job["Comment"])[1]
                found.append(job)
        return sorted(found, key=lambda job: int(job["JobId"]))

    def controller(self) -> int | None:
        """Process id of slurmctld; none while it is away."""
        with suppress(FileNotFoundError, ValueError):
            return int((self.folder / "run/slurmctld.pid").read_text())
        return None

    def stop(self) -> None:
        self._guard.stdin.close()
        self._guard.wait()


class Guard:
    """The daemons of one folder."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.environment = os.environ | {
            "PATH": SEARCH,
            "SLURM_CONF": str(folder / "etc/slurm.conf"),
            MARK: str(folder),
        }
        self.running: dict[str, subprocess.Popen] = {}

    def configure(self) -> None:
        for name in ("etc", "log", "run", "state", "spool", "dev", "bin"):
            (self.folder / name).mkdir()
        for name in ("run", "state"):
            (self.folder / name).chmod(0o700)
        key = self.folder / "etc/munge.key"
        key.write_bytes(os.urandom(1024))
        key.chmod(0o600)
        names = {"folder": self.folder, "host": socket.gethostname().split(".")[0], "user": getpass.getuser()}
        settings = (HERE / "slurm.conf.in").read_text().format(ports=free_ports(4), **names)
        (self.folder / "etc/slurm.conf").write_text(settings)
        devices = [self.folder / f"dev/nvidia{index}" for index in range(2)]
        for device in devices:  # slurmd counts only real devices; without root the GPUs are there but have no number
            try:
                os.mknod(device, stat.S_IFCHR | 0o666, os.makedev(1, 3))  # a second /dev/null
            except PermissionError:
                device.touch()
        lines = ["AutoDetect=off", *(f"NodeName=gpu[01-02] Name=gpu Type=a100 File={device}" for device in devices)]
        (self.folder / "etc/gres.conf").write_text("\n".join(lines) + "\n")
        for name in CLIENTS:
            real = shutil.which(name, path=SEARCH)
            if real:
                client = self.folder / "bin" / name
                client.write_text(f'#!/bin/sh\nSLURM_CONF="{self.folder}/etc/slurm.conf" exec {real} "$@"\n')
                client.chmod(0o755)

    def spawn(self, name: str, *command: str) -> None:
        with open(self.folder / f"log/{name}.out", "a") as output:
            self.running[name] = subprocess.Popen(
                command,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                preexec_fn=die_with_parent,
            )

    def start(self) -> None:
        run, log = self.folder / "run", self.folder / "log"
        self.spawn(
            "munged", "munged", "--foreground", "--force", f"--key-file={self.folder}/etc/munge.key",
            f"--socket={run}/munge.sock", f"--pid-file={run}/munged.pid", f"--log-file={log}/munged.log",
            f"--seed-file={run}/munge.seed",
        )  # fmt: skip
        wait_for(lambda: (run / "munge.sock").exists(), "munged", 300)
        self.spawn("slurmctld", "slurmctld", "-D", "-c")
        for node in NODES:
            self.spawn(node, "slurmd", "-D", "-N", node)
        wait_for(self.is_ready, "nodes are not idle", 600)

    def is_ready(self) -> bool:
        dead = [name for name, process in self.running.items() if process.poll() is not None]
        if dead:
            raise RuntimeError(f"{dead[0]} died: {self.last_words(dead[0])}")
        return self.client("sinfo", "--noheader", "--Node", "--format=%T").split() == ["idle"] * len(NODES)

    def last_words(self, name: str) -> str:
        logs = [path for path in (self.folder / "log").iterdir() if name in path.name]
        return " / ".join(line for path in logs for line in path.read_text().splitlines()[-2:])

    def client(self, *command: str) -> str:
        with suppress(subprocess.TimeoutExpired):
            return subprocess.run(command, env=self.environment, capture_output=True, text=True, timeout=60).stdout
        return ""

    def watch(self) -> None:
        """Until the test is gone. A controller that dies comes back with its state, as a service does."""
        while True:
            readable, _, _ = select.select([sys.stdin], [], [], 0.5)
            if readable and not sys.stdin.readline():
                return
            if self.running["slurmctld"].poll() is not None:
                time.sleep(AWAY_SECONDS)
                self.spawn("slurmctld", "slurmctld", "-D")

    def stop(self) -> None:
        self.client("scancel", "--full", f"--user={getpass.getuser()}")
        with suppress(RuntimeError):
            wait_for(lambda: not self.client("squeue", "--noheader"), "jobs are left", 60)
        for name in (*NODES, "slurmctld", "munged"):  # munged last: the others speak through it
            if name in self.running:
                self.running[name].terminate()
        for process in self.running.values():
            try:
                process.wait(timeout=30)
            except subprocess.TimeoutExpired:
                process.kill()
        for process in marked_processes(self.folder):
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        shutil.rmtree(self.folder, ignore_errors=True)


def marked_processes(folder: Path) -> list[int]:
    """Processes that were started in this lab (job steps outlive their slurmd), but for this one."""
    wanted, found = f"{MARK}={folder}".encode(), []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if wanted in (process / "environ").read_bytes().split(b"\0") and int(process.name) != os.getpid():
                found.append(int(process.name))
    return found


def die_with_parent() -> None:
    """In a child, before it becomes the daemon: SIGKILL when the guard is gone (PR_SET_PDEATHSIG)."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)


def free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    try:
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
    finally:
        for each in sockets:
            each.close()


def wait_for(condition, complaint: str, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise RuntimeError(f"{complaint} after {seconds:g} s")
        time.sleep(0.2)


def main() -> None:
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit(1))
    guard = Guard(Path(sys.argv[1]))
    try:
        guard.configure()
        guard.start()
        print("ready", flush=True)
        guard.watch()
    except RuntimeError as error:
        print(error, flush=True)
    finally:
        guard.stop()


if __name__ == "__main__":
    main()
