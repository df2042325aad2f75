"""A machine with nothing on it: `make setup` and `make smoke` in a bare Debian, as a user without rights or a cache.

    sudo make bare-debian                              # or STEPS=setup; RELEASE=trixie

`mmdebstrap` (or `debootstrap`) makes a root file system with what README and Dockerfile ask for: Python with venv,
make, git, certificates. The committed files of this checkout are copied into it, and each step runs there by chroot, in
namespaces of its own. The packages come from where this machine's pip and uv take them (their variables, and the hosts
and certificates of this machine are handed on). About 10 GB of disk, which are freed at the end; --keep leaves them.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGES = "python3,python3-venv,make,git,ca-certificates"
STEPS = ("setup", "smoke")
USER, HOME = 1000, "home/ldae/LDAE-ADNI"
HANDED_ON = ("PIP_", "UV_", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy")
IMPORTS = "import ants, deepbet, clinica, nibabel, torch, monai, timm, sklearn, matplotlib, ldae.inference.pipeline"
INSIDE = """set -eu
mount --rbind /dev "$1/dev"
mount -t proc proc "$1/proc"
mount -t tmpfs tmpfs "$1/dev/shm" 2>/dev/null || true
exec chroot --userspec={user}:{user} "$1" /usr/bin/env -i HOME=/home/ldae PATH=/usr/bin:/bin {variables} \\
    sh -c 'cd /{home} && {command}'
"""


def main() -> int:
    options = parser().parse_args()
    if os.geteuid() != 0:
        sys.exit("Error: a root file system is made by root alone: run again with sudo.")
    builder = shutil.which("mmdebstrap") or shutil.which("debootstrap")
    if builder is None:
        sys.exit("Error: mmdebstrap is missing; on Debian and Ubuntu `apt-get install mmdebstrap`.")
    folder = options.root or Path(tempfile.mkdtemp(prefix="bare-debian-"))
    try:
        if not (folder / "etc/debian_version").is_file():
            timed(
                "root file system",
                [builder, "--variant=minbase", f"--include={PACKAGES}", options.release, str(folder)],
            )
        furnish(folder)
        for step in options.steps:
            timed(f"make {step}", inside(folder, f"make {step}"))
            if step == "setup":
                timed("every heavy import", inside(folder, f'.venv/bin/python -c "{IMPORTS}"'))
    finally:
        if not options.keep:
            shutil.rmtree(folder, ignore_errors=True)
    return 0


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(description="Set-up and smoke run in a bare Debian.")
    top.add_argument("--steps", nargs="+", choices=STEPS, default=STEPS)
    top.add_argument("--release", default="bookworm", help="of Debian; default: bookworm, with Python 3.11")
    top.add_argument("--root", type=Path, metavar="DIR", help="the root file system; made there where it is missing")
    top.add_argument("--keep", action="store_true", help="do not remove it at the end")
    return top


def furnish(folder: Path) -> None:
    """The checkout, an ordinary user's home, and this machine's way to the network."""
    place = folder / HOME
    place.mkdir(parents=True, exist_ok=True)
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout
    for name in filter(None, listed.decode().split("\0")):
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, place / name)
    for name in ("/etc/resolv.conf", "/etc/hosts", "/etc/ssl/certs/ca-certificates.crt", "/etc/pip.conf"):
        if Path(name).is_file():
            shutil.copyfile(name, folder / name.lstrip("/"))
    passwd = folder / "etc/passwd"
    if "\nldae:" not in (known := passwd.read_text()):
        passwd.write_text(f"{known}ldae:x:{USER}:{USER}::/home/ldae:/bin/sh\n")
    for path in [folder / "home/ldae", *(folder / "home/ldae").rglob("*")]:
        os.lchown(path, USER, USER)


def inside(folder: Path, command: str) -> list[str]:
    """The command in the root file system, in a mount and a process namespace of its own."""
    handed = {name: value for name, value in os.environ.items() if name.startswith(HANDED_ON)}
    handed |= dict.fromkeys(("SSL_CERT_FILE", "PIP_CERT"), "/etc/ssl/certs/ca-certificates.crt")
    variables = " ".join(f"'{name}={value}'" for name, value in sorted(handed.items()) if not Path(value).is_dir())
    script = INSIDE.format(user=USER, variables=variables, home=HOME, command=command)
    return ["unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-c", script, "sh", str(folder)]


def timed(what: str, command: list[str]) -> None:
    """Run one step; its seconds are printed, and a failure ends the program with the step's name."""
    start = time.monotonic()
    status = subprocess.run(command).returncode
    print(f"{what}: {time.monotonic() - start:.0f} s", flush=True)
    if status:
        sys.exit(f"Error: {what} failed in the bare Debian (status {status}); its last words are above.")


if __name__ == "__main__":
    sys.exit(main())
