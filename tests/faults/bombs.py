"""Small files that claim, or unpack to, more than a machine has, and names that lead to no file: `make bombs`.

Each is read in a process of its own; what that took beyond the same process without the reading is printed.
"""

import json
import multiprocessing
import os
import sys
import time
import zlib
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from pathlib import Path
from tempfile import TemporaryDirectory

import nibabel as nib
import numpy as np
from fuzzing import PAPER, read_slice, write_slice
from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRLittleEndian

from ldae.config import Conform, load_config
from ldae.core.errors import UserError
from ldae.core.files import read_json, read_tsv
from ldae.core.text_tables import read_text_table
from ldae.networks.weights import load_weights
from ldae.preprocessing.given_volumes import given_volume
from ldae.preprocessing.reading import read_given

PATIENCE = 60  # seconds until a reader is said to hang
BLOCK = 1 << 22  # bytes
Bomb = tuple[str, Path, Callable[[Path], object]]


def packed_zeros(path: Path, start: bytes, size: int, bits: int) -> Path:
    """``start`` and at least ``size`` zeros, deflated, at the end of a file; ``bits`` as zlib counts them.

    The same packed block is written again and again, so that large files cost nothing; gzip's sum at the end is wrong.
    """
    packer = zlib.compressobj(9, zlib.DEFLATED, bits)
    with path.open("ab") as file:
        file.write(packer.compress(start) + packer.flush(zlib.Z_FULL_FLUSH))
        block = packer.compress(bytes(BLOCK)) + packer.flush(zlib.Z_FULL_FLUSH)
        file.write(block * -(-size // BLOCK))
        file.write(packer.flush())
    return path


def packed_scan(path: Path, side: int) -> Path:
    """A NIfTI of ``side``³ zeros of two bytes."""
    header = bytearray(nib.Nifti1Image(np.zeros((4, 4, 4), np.int16), np.diag([0.4, 0.4, 0.4, 1])).to_bytes()[:352])
    header[40:48] = np.array([3, side, side, side], "<i2").tobytes()
    return packed_zeros(path, bytes(header), 2 * side**3, 31)


def deflated_dicom(path: Path, size: int) -> Path:
    """A slice whose dataset ends in one element of ``size`` zeros."""
    write_slice(path, ExplicitVRLittleEndian)
    plain = path.read_bytes()
    write_slice(path, DeflatedExplicitVRLittleEndian)
    whole = path.read_bytes()
    described = 144 + int.from_bytes(plain[140:144], "little"), 144 + int.from_bytes(whole[140:144], "little")
    path.write_bytes(whole[: described[1]])
    pixels = bytes.fromhex("e07f1000") + b"OW\0\0"
    start = plain[described[0] : plain.rindex(pixels)]
    return packed_zeros(path, start + pixels + size.to_bytes(4, "little"), size, -15)


def claiming(folder: Path, **more: object) -> Path:
    """A slice whose header says more than is there."""
    folder.mkdir()
    write_slice(folder / "00001_I7.dcm", ExplicitVRLittleEndian, **more)
    return folder / "00001_I7.dcm"


def bombs(folder: Path) -> Iterator[Bomb]:
    """What it is, the file and its reader."""
    scan = packed_scan(folder / "scan.nii.gz", 1000)
    conform = Conform(shape=(48, 48, 48))
    yield "gzip: 2 GB of a scan", scan, read_given
    yield "gzip: 2 GB of a given volume", scan, lambda path: given_volume(path, conform)
    header = bytearray(nib.Nifti1Image(np.zeros((4, 4, 4), np.int16), np.eye(4)).to_bytes()[:352])
    header[40:48] = np.array([3, 32767, 32767, 32767], "<i2").tobytes()
    (folder / "claims.nii").write_bytes(header)
    yield "NIfTI: 32,767³ voxels in the header", folder / "claims.nii", read_given
    series = folder / "dicom"
    series.mkdir()
    yield "DICOM: deflated, 2 GB of pixels", deflated_dicom(series / "00001_I7.dcm", 2_000_000_000), read_slice
    frames = {"NumberOfFrames": 1_000_000, "Rows": 512, "Columns": 512}
    for name, more in {
        "Rows and Columns of 65,535": {"Rows": 65535, "Columns": 65535},
        "a million frames": frames,
    }.items():
        yield f"DICOM: {name}", claiming(folder / name, **more), read_slice
    packed = claiming(folder / "packed", **frames)
    packed.write_bytes(packed.read_bytes().replace(b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.1.2.5\0", 1))
    yield "DICOM: a million frames in run lengths", packed, read_slice
    words = claiming(folder / "words")
    words.write_bytes(words.read_bytes().replace(b"US\x02\0\x10\0", b"US\x00\0"))
    yield "DICOM: Rows without a number", words, read_slice
    (folder / "weights.safetensors").write_bytes((1 << 40).to_bytes(8, "little") + b"{}")
    yield "safetensors: a header of 1 TB", folder / "weights.safetensors", load_weights
    (folder / "deep.json").write_bytes(b"[" * 1_000_000)
    yield "JSON: a million brackets", folder / "deep.json", read_json
    lists = "".join(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 12))
    (folder / "laughs.yaml").write_text(f"a0: &a0 [x]\n{lists}seed: *a11\n")
    yield "YAML: 9¹¹ words by reference", folder / "laughs.yaml", lambda path: load_config(PAPER, path)
    with (folder / "large.tsv").open("wb") as file:
        file.truncate(3 << 30)
    readers = {"study table": read_text_table, "own table": read_tsv, "JSON": read_json}
    yield "3 GiB of nothing as a study table", folder / "large.tsv", read_text_table
    yield "3 GiB of nothing as a table of our own", folder / "large.tsv", read_tsv
    os.mkfifo(folder / "pipe.tsv")
    (folder / "device.tsv").symlink_to("/dev/zero")
    for kind in ("pipe", "device"):
        for name, read in (readers | {"configuration": lambda path: load_config(PAPER, path)}).items():
            yield f"{kind} as {name}", folder / f"{kind}.tsv", read


def read_alone(read: Callable[[Path], object], path: Path, answer: Connection) -> None:
    """In a process of its own: what came of it, seconds of the processor and MiB."""
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
    before, start = peak(), time.process_time()
    try:
        read(path)
        said = "taken"
    except UserError as error:
        said = str(error)
    except Exception as error:
        said = f"NOT TYPED {type(error).__name__}: {error}"
    answer.send((said, time.process_time() - start, max(peak() - before, 0) / 1024))


def peak() -> int:
    """KiB at most since the peak was last forgotten."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0])


def try_bomb(bomb: Bomb) -> dict[str, object]:
    """Size of the file, what came of reading it, seconds of the processor, MiB."""
    name, path, read = bomb
    context = multiprocessing.get_context("fork")
    here, there = context.Pipe()
    process = context.Process(target=read_alone, args=(read, path, there))
    process.start()
    found = ("HANGS", float(PATIENCE), float("nan"))
    if here.poll(PATIENCE):
        found = here.recv()
    process.kill()
    process.join()
    size = path.stat().st_size if path.is_file() else 0
    return {"bomb": name, "file_mb": size / 1e6, "said": found[0], "seconds": found[1], "mib": found[2]}


def main() -> int:
    """A table in Markdown, and a line of JSON: how many there were, were refused, and the most they took."""
    with TemporaryDirectory() as folder:
        found = [try_bomb(bomb) for bomb in bombs(Path(folder))]
    print("| file | its size, MB | what is said | processor, s | memory, MiB |\n| --- | ---: | --- | ---: | ---: |")
    for row in found:
        said = str(row["said"]).replace(folder, "").replace("|", "/")
        print(f"| {row['bomb']} | {row['file_mb']:.3g} | {said[:90]} | {row['seconds']:.2f} | {row['mib']:.0f} |")
    refused = [row for row in found if row["said"] not in ("taken", "HANGS") and "NOT TYPED" not in str(row["said"])]
    worst = {name: round(max(float(str(row[name])) for row in found), 1) for name in ("seconds", "mib")}
    print(json.dumps({"bombs": len(found), "refused": len(refused)} | worst))
    return int(len(refused) < len(found))


if __name__ == "__main__":
    sys.exit(main())
