"""Readers of foreign bytes, and seeded changes of what they read: `make fuzz` and test_fuzz.py.

A reader may take a changed file or refuse it in one sentence (:class:`UserError`); any other exception is counted, as
where it came from. Nothing may hang or take more than a little memory.
"""

import gzip
import json
import logging
import sys
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import nibabel as nib
import numpy as np
import pandas as pd
import pydicom
import torch
import yaml
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import UID, DeflatedExplicitVRLittleEndian, ExplicitVRLittleEndian, MRImageStorage

from ldae.adni.image_files import ImageFiles
from ldae.adni.publication import expected_voxels
from ldae.adni.short_series import protocol
from ldae.adni.slices import places_of
from ldae.adni.staging import image_paths
from ldae.cohort.authors_csv import csv_scans
from ldae.cohort.bids import bids_scans
from ldae.config import AuthorsCsv, Bids, Conform, load_config
from ldae.core.checksums import problems, record
from ldae.core.errors import UserError
from ldae.core.files import read_json, read_tsv, sha256_file, write_tsv
from ldae.core.scans import ScanSet, read_splits
from ldae.core.store import require_whole, write_store
from ldae.core.text_tables import read_text_table
from ldae.inference.foreign_weights import read_state_dict
from ldae.inference.model_folder import read_model
from ldae.networks.weights import load_weights, save_weights
from ldae.preprocessing.given_volumes import given_volume
from ldae.preprocessing.reading import read_given
from ldae.preprocessing.review import read_review

PAPER = Path(__file__).parents[2] / "config/config.yaml"
SNIPPETS = [
    *(b'"', b"\t", b"\n", b"\r", b",", b"\xff\xfe", b"\xef\xbb\xbf", b"{", b"}", b"[", b"]", b":", b"-", b"1e999"),
    *(b"NaN", b"null", b"0x", b"9" * 5000, b"2001-99-99", b"[" * 2000, b"*a", b"!!python/name:os.system", b"\0" * 8),
    *(b"../../x", b"=1+1", b"<script>", b"\xe9", b"&a [*a]", b"\x80\x02", b"inf", b"true", b"''"),
]


@dataclass
class Outcome:
    """What became of the inputs of one reader; ``untyped``: exception and place -> how often."""

    inputs: int = 0
    taken: int = 0
    refused: int = 0
    slowest: float = 0.0
    untyped: Counter[str] = field(default_factory=Counter)


def changed(content: bytes, rng: np.random.Generator) -> bytes:
    """One to three changes: cut off, flipped, inserted, taken out, doubled."""
    data = bytearray(content)
    for _ in range(rng.integers(1, 4)):
        place = int(rng.integers(len(data) + 1))
        match rng.integers(6):
            case 0:
                data = data[:place]
            case 1 if data:
                for other in rng.integers(len(data), size=rng.integers(1, 9)):
                    data[other] = rng.integers(256)
            case 2:
                data[place:place] = rng.bytes(int(rng.integers(1, 41)))
            case 3:
                del data[place : place + int(rng.integers(1, 61))]
            case 4:
                data[place:place] = data[place : place + int(rng.integers(1, 201))]
            case _:
                data[place:place] = SNIPPETS[rng.integers(len(SNIPPETS))]
    return bytes(data)


def try_reader(read: Callable[[Path], object], path: Path, rng: np.random.Generator, inputs: int) -> Outcome:
    """Change one file ``inputs`` times, and read what it belongs to each time; the file is as before afterwards."""
    content, outcome = path.read_bytes(), Outcome()
    try:
        for _ in range(inputs):
            path.write_bytes(changed(content, rng))
            outcome.inputs += 1
            start = time.perf_counter()
            try:
                read(path)
                outcome.taken += 1
            except UserError as error:
                outcome.refused += 1
                assert str(error).strip() and "Traceback" not in str(error)
            except Exception as error:
                ours = [frame for frame in traceback.extract_tb(error.__traceback__) if "/ldae/" in frame.filename]
                place = f"{ours[-1].filename.split('/ldae/')[-1]}:{ours[-1].lineno}" if ours else "?"
                outcome.untyped[f"{type(error).__name__} at {place}"] += 1
            outcome.slowest = max(outcome.slowest, time.perf_counter() - start)
    finally:
        path.write_bytes(content)
    return outcome


def readers(folder: Path) -> Iterator[tuple[str, Path, Callable[[Path], object]]]:
    """Name, a whole file, and how what it belongs to is read."""
    rng = np.random.default_rng(0)
    overlay = folder / "mine.yaml"
    overlay.write_text(yaml.safe_dump({"seed": 3, "results_dir": "results/x", "diffusion": {"multipliers": [1, 2]}}))
    yield "configuration", overlay, lambda path: load_config(PAPER, path)

    people = pd.DataFrame({"participant_id": [f"sub-{i}" for i in range(5)], "split": ["train"] * 4 + ["test"]})
    write_tsv(folder / "splits.tsv", people)
    yield "table of our own", folder / "splits.tsv", read_tsv
    yield "splits", folder / "splits.tsv", read_splits
    scans = folder / "training/scans.tsv"
    write_tsv(scans, people.assign(session_id="ses-M000", scan="0f"))
    yield "scans of a training", scans, lambda path: digests(path.parent)
    (folder / "study.csv").write_text('PTID,"VISCODE",EXAMDATE\n941_S_0001,bl,2013-04-22\n942_S_0002,"m12",4/22/2014\n')
    yield "study table", folder / "study.csv", read_text_table
    review = folder / "review.tsv"
    write_tsv(review, pd.DataFrame({"participant_id": ["sub-1"], "session_id": ["ses-1"], "reason": ["motion"]}))
    yield "list of a reviewer", review, read_review
    (folder / "notes.json").write_text(json.dumps({"a": [1, 2.5, None], "b": {"c": "é"}}))
    yield "JSON", folder / "notes.json", read_json

    index = people[["participant_id"]].assign(session_id="ses-M000", age=70.5)
    for name in ("store.json", "index.tsv", "data.npy"):
        store = folder / f"store-{name}"
        write_store(store, rng.integers(0, 256, (5, 4, 4, 4), np.uint8), index, "uint8", affine=np.eye(4).tolist())
        yield f"store: {name}", store / name, lambda path: require_whole(path.parent)

    model = folder / "model/model.safetensors"
    save_weights(model, {"a": torch.zeros(4, 4), "b": torch.ones(3)})
    described = {"stage": "autoencoder", "settings": {}, "seed": 1, "step": 1, "digest": sha256_file(model)[:16]}
    (model.parent / "model.json").write_text(json.dumps(described))
    yield "weights", model, load_weights
    yield "model: model.safetensors", model, lambda path: read_model(path.parent)
    yield "model: model.json", model.parent / "model.json", lambda path: read_model(path.parent)

    results = folder / "run"
    write_tsv(results / "evaluate/summary.tsv", people)
    record(results / "logs/fit_probes.log", [results / "evaluate/summary.tsv"], [])
    yield "record of digests", results / "checksums/fit_probes.sha256", lambda path: list(problems(results))

    ball = np.linalg.norm(np.indices((40, 40, 40)) - 19.5, axis=0) < 15
    head = (ball * rng.uniform(50, 100, ball.shape)).astype(np.int16)
    image = nib.Nifti1Image(head, np.diag([5.0, 5.0, 5.0, 1.0]))
    conform = Conform(shape=(40, 40, 40), spacing_mm=5.0)
    (folder / "scan.nii").write_bytes(image.to_bytes()[:20_000])  # the header counts; its end is missing anyway
    (folder / "scan.nii.gz").write_bytes(gzip.compress(image.to_bytes(), mtime=0))
    nib.save(nib.MGHImage(head.astype(np.float32), image.affine), folder / "scan.mgh")
    (folder / "header.nii").write_bytes(image.to_bytes()[:352])
    for name in ("header.nii", "scan.nii", "scan.nii.gz", "scan.mgh"):
        yield f"scan: {name}", folder / name, read_given
        yield f"given volume: {name}", folder / name, lambda path: given_volume(path, conform)

    dataset = folder / "bids"
    image = dataset / "sub-1/ses-M000/anat/sub-1_ses-M000_T1w.nii.gz"
    image.parent.mkdir(parents=True)
    image.write_bytes(gzip.compress((348).to_bytes(4, "little") + bytes(348)))
    (dataset / "dataset_description.json").write_text(json.dumps({"Name": "x", "BIDSVersion": "1.8.0"}))
    table = "participant_id\tage\tsex\tdiagnosis\tsite\nsub-1\t70.5\tM\tCN\tGen\u00e8ve\n"
    (dataset / "participants.tsv").write_text(table)
    (dataset / "participants.json").write_text(json.dumps({"age": {"Units": "years"}}))
    (dataset / "sub-1/sub-1_sessions.tsv").write_text("session_id\tdiagnosis\tage\nses-M000\tCN\t70\n")
    (dataset / "sub-1/ses-M000/sub-1_ses-M000_scans.tsv").write_text(
        f"filename\tacq_time\nanat/{image.name}\t2009-03-12T10:00:00\n"
    )
    for path in (*sorted(dataset.rglob("*.tsv")), *sorted(dataset.glob("*.json"))):
        yield f"BIDS: {path.name.removeprefix('sub-1_')}", path, lambda _: bids_scans(Bids(path=dataset))
    (folder / "authors.csv").write_text("subject,path,diagnosis,session,age\n941_S_0001,scan.nii.gz,CN,M000,70.5\n")
    yield "table of the authors", folder / "authors.csv", lambda path: csv_scans(AuthorsCsv(path=path))
    torch.save({"state_dict": {"a": torch.zeros(4, 4), "b": torch.ones(3)}}, folder / "weights.pt")
    yield "PyTorch's file", folder / "weights.pt", read_state_dict

    for name, syntax in {"plain": ExplicitVRLittleEndian, "deflated": DeflatedExplicitVRLittleEndian}.items():
        series = folder / f"dicom-{name}"
        series.mkdir()
        write_slice(series / "00001_I7.dcm", syntax)
        yield f"DICOM: {name}", series / "00001_I7.dcm", read_slice


def write_slice(path: Path, syntax: UID, **more: object) -> None:
    """A DICOM file of a slice of 16 x 16 voxels, with other elements where given."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = MRImageStorage, UID("1.2.3")
    meta.TransferSyntaxUID = syntax
    item = FileDataset(str(path), {}, file_meta=meta, preamble=bytes(128))
    facts = {"SOPClassUID": MRImageStorage, "SOPInstanceUID": "1.2.3", "SeriesInstanceUID": "1.2", "SeriesNumber": 1}
    facts |= {"PatientID": "941_S_0001", "StudyDate": "20090312", "InstanceNumber": 1, "NumberOfFrames": 1}
    facts |= {"ImagePositionPatient": [0, 1, 2], "ImageOrientationPatient": [1, 0, 0, 0, 1, 0], "SliceThickness": 1.2}
    facts |= {"Rows": 16, "Columns": 16, "BitsAllocated": 16, "BitsStored": 12, "HighBit": 11}
    facts |= {"SamplesPerPixel": 1, "PixelRepresentation": 0, "PixelData": bytes(512)}
    for name, value in (facts | more).items():
        setattr(item, name, value)
    pydicom.dcmwrite(path, item, enforce_file_format=True)


def read_slice(path: Path) -> None:
    """All that is read of a DICOM file before a converter is given it."""
    protocol(path)
    places_of([str(path)])
    image_paths("7", ImageFiles(dicom=[str(path)]), [], "941_S_0001")
    expected_voxels(path.parent, "7")


def digests(folder: Path) -> object:
    """As a training compares what it reads now with what it read."""
    found = ScanSet.read(folder)
    return None if found is None else found.digests()


def fuzz(folder: Path, inputs: int, seed: int) -> dict[str, Outcome]:
    """Outcome by reader."""
    found = {}
    for number, (name, path, read) in enumerate(readers(folder)):
        found[name] = try_reader(read, path, np.random.default_rng([seed, number]), inputs)
    return found


def table(found: dict[str, Outcome]) -> str:
    """In Markdown, as docs/security.md has it."""
    lines = ["| reader | inputs | taken | refused in a sentence | other exceptions |"]
    lines += ["| --- | ---: | ---: | ---: | ---: |"]
    lines += [f"| {n} | {o.inputs:,} | {o.taken:,} | {o.refused:,} | {o.untyped.total()} |" for n, o in found.items()]
    return "\n".join(lines)


def main() -> int:
    """``fuzzing.py INPUTS SEED``: the table, and every exception that is no sentence."""
    inputs, seed = (int(word) for word in sys.argv[1:3])
    logging.disable(logging.WARNING)  # what readers and pydicom say of a thousand broken files
    warnings.simplefilter("ignore")
    with TemporaryDirectory() as folder, suppress(KeyboardInterrupt):
        found = fuzz(Path(folder), inputs, seed)
        print(table(found))
        for name, outcome in found.items():
            for place, count in outcome.untyped.most_common():
                print(f"{name}: {count} x {place}")
        return int(any(outcome.untyped for outcome in found.values()))
    return 1


if __name__ == "__main__":
    sys.exit(main())
