"""A results folder from the packed volumes on, with every training in tiny networks of a few steps."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from tiny import METHOD, SETTINGS, SIZE, train

from ldae.config import Method, Sampling
from ldae.core.files import sha256_file, write_tsv
from ldae.core.lineage import MADE_FROM
from ldae.core.store import write_store
from ldae.inference.encode import encode_baselines, encode_codes
from ldae.inference.latents import encode_latents
from ldae.preprocessing.pack import pack_volumes_dae
from ldae.report.run_description import unseen_sentences

STEPS = {"steps": 4, "validate_every": 2}
DAE = {
    "factor": 2,
    "shape": [8, 8, 8],
    "dimension": 6,
    "channels": 8,
    "multipliers": [1, 2],
    "res_blocks": 1,
    "attention_factors": [2],
    "norm_groups": 2,
    "training": SETTINGS["diffusion"]["training"],
}
ALL = SETTINGS | {"dae": DAE} | dict.fromkeys(("supervised_ad", "supervised_age"), SETTINGS["representation"])
FIRST = {f"sub-{i}": split for i, split in enumerate(["train", "train", "validation", "test"])}


@dataclass(frozen=True)
class Results:
    """A results folder from the packed volumes on."""

    folder: Path

    def pack(self, splits: dict[str, str], changed: str = "") -> None:
        """Two scans of each subject, each fixed by its name, but for that which is ``changed``."""
        names = [f"{subject}_ses-M{months:03d}" for subject in sorted(splits) for months in (0, 12)]
        seeds = [[*f"{name}{'again' if name == changed else ''}".encode()] for name in names]
        volumes = [np.random.default_rng(seed).integers(0, 255, SIZE, dtype=np.uint8) for seed in seeds]
        subjects, sessions = zip(*(name.split("_") for name in names), strict=True)
        index = pd.DataFrame({"participant_id": subjects, "session_id": sessions, "months": [0, 12] * len(splits)})
        ages = [60.0 + np.random.default_rng(seed).integers(20) for seed in seeds]
        diagnosis = ["AD" if ord(name[-1]) % 2 else "CN" for name in subjects]
        index = index.assign(age=ages, diagnosis=diagnosis, sex="F", determinant=1.0)
        facts = {"affine": np.eye(4).tolist(), "spacing_mm": 1.0}
        write_store(self.folder / "store/volumes", volumes, index, dtype="uint8", **facts)
        table = pd.DataFrame({"participant_id": list(splits), "split": list(splits.values())})
        write_tsv(self.folder / "manifest/splits.tsv", table)
        pack_volumes_dae(self.folder / "store/volumes", tuple(DAE["shape"]), DAE["factor"], self.store("volumes_dae"))

    def store(self, name: str) -> Path:
        return self.folder / "store" / name

    def model(self, stage: str) -> Path:
        return self.folder / "train" / stage

    def arguments(self, stage: str, **training) -> dict:
        volumes, latents = {"volumes": self.store("volumes")}, {"latents": self.store("latents")}
        models = {name: self.model(name) for name in ("autoencoder", "diffusion")}
        paths = {"diffusion": latents, "representation": volumes | latents | models}
        paths |= {"dae": {"volumes": self.store("volumes_dae")}}
        paths = paths.get(stage, volumes) | {"splits": self.folder / "manifest/splits.tsv", "out": self.model(stage)}
        settings = ALL[stage] | {"training": ALL[stage]["training"] | STEPS | training}
        more = {"method": METHOD[stage]} if stage in METHOD else {}
        more |= {"target": stage.removeprefix("supervised_")} if stage.startswith("supervised") else {}
        values = {name: str(path) for name, path in paths.items()} | more
        return values | {"settings": settings, "seed": 1, "launch": {"pictures_every": 0}}

    def train(self, *stages: str, **training) -> None:
        """As the rules do: declared outputs are deleted first."""
        for stage in stages or MADE_FROM:
            for name in ("model.safetensors", "model.json", "metrics.jsonl"):
                (self.model(stage) / name).unlink(missing_ok=True)
            task = "supervised" if stage.startswith("supervised") else stage
            train(task, self.arguments(stage, **training))
            if stage == "autoencoder":
                self.encode_latents()

    def encode_latents(self) -> None:
        splits = self.folder / "manifest/splits.tsv"
        encode_latents(self.store("volumes"), self.model("autoencoder"), splits, self.store("latents"))

    def encode(self) -> None:
        method, splits, codes = Method(), self.folder / "manifest/splits.tsv", self.store("codes")
        stores, train = (self.store("volumes"), self.store("latents")), self.folder / "train"
        encode_codes(*stores, splits, train, codes, method, Sampling(steps=2))
        encode_baselines(stores[0], self.store("volumes_dae"), train, codes)

    def weights(self) -> dict[str, str]:
        return {stage: sha256_file(self.model(stage) / "model.safetensors") for stage in MADE_FROM}

    def weights_of(self, stage: str) -> str:
        return sha256_file(self.model(stage) / "model.safetensors")

    def unseen(self) -> list[str]:
        return unseen_sentences(self.folder / "train", self.store("volumes"), self.folder / "manifest/splits.tsv")
