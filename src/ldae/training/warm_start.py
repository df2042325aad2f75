"""A training that starts from the weights of another run (``training.init_from``): which, whether they fit, and whom
they have seen.

Nothing here needs torch: what does not fit is said when a run is planned. Weights are read when the training starts.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from ldae.config import Config, Training
from ldae.core.contamination import training_subjects
from ldae.core.errors import UserError
from ldae.core.files import read_json, read_tsv, require_weights, write_tsv
from ldae.core.lineage import MADE_FROM
from ldae.core.scans import FILE, ScanSet, read_splits, some
from ldae.core.voxel_grid import RAS

SEEN = "earlier_subjects.tsv"  # beside a model that started from another: whom those weights had read; private
UNET = ("channels", "multipliers", "res_blocks", "attention_factors", "norm_groups", "prior", "resample")
ENCODER = ("backbone", "dimension", "code_norm", "slice_step", "heads")
DAE = ("factor", "shape", "dimension", "channels", "multipliers", "res_blocks", "attention_factors", "norm_groups")
ARCHITECTURE = {  # what two models must have in common
    "autoencoder": ("patch", "channels", "latent_channels", "res_blocks", "norm_groups"),
    "diffusion": UNET,
    "representation": ENCODER,
    "dae": DAE,
    "supervised_ad": ENCODER,
    "supervised_age": ENCODER,
}
MEASURED_HERE = {  # beginnings of tensors that are measured on this run's training scans, and stay
    "diffusion": ("prior.",),
    "supervised_age": ("mean", "std"),
}


@dataclass(frozen=True)
class Seen:
    """Subjects that some weights were trained or validated on, by name.

    Attributes:
        subjects: those that are known.
        complete: nothing says that there were others; false: the weights, or what they started from, do not tell.
    """

    subjects: frozenset[str]
    complete: bool

    @classmethod
    def by(cls, folder: Path) -> "Seen":
        """By the weights of a model folder, by those that they started from, and by the models beside it that they were
        trained with."""
        described, scans = read_json(folder / "model.json"), ScanSet.read(folder)
        if scans is not None and "participant_id" not in scans.table:
            raise UserError(f"{folder / FILE} has no column participant_id: put a good copy back.")
        found = cls(frozenset(() if scans is None else scans.table["participant_id"]), scans is not None)
        if "init_from" in described:
            found |= cls.before(folder)
        for other in MADE_FROM.get(described.get("stage", ""), ()):
            beside = folder.parent / other
            known = read_json(beside / "model.json") if (beside / "model.json").is_file() else {}
            if known and known.get("digest") == described.get("inputs", {}).get(other):
                found |= cls.by(beside)
        return found

    @classmethod
    def before(cls, folder: Path) -> "Seen":
        """By the weights that the model of a folder started from."""
        if not (folder / SEEN).is_file():
            return cls(frozenset(), False)
        complete = read_json(folder / "model.json")["init_from"]["subjects_complete"]
        return cls(frozenset(read_tsv(folder / SEEN, dtype=str)["participant_id"]), complete)

    def __or__(self, other: "Seen") -> "Seen":
        return Seen(self.subjects | other.subjects, self.complete and other.complete)

    def tested(self, splits: pd.DataFrame) -> list[str]:
        """Those that are test subjects now."""
        return sorted(self.subjects & set(splits.loc[splits["split"] == "test", "participant_id"]))

    def write(self, folder: Path) -> None:
        """Beside a model or its checkpoints."""
        write_tsv(folder / SEEN, pd.DataFrame({"participant_id": sorted(self.subjects)}, dtype=str))


@dataclass(frozen=True)
class Start:
    """The weights that a training starts from.

    Attributes:
        folder: of the model; none: it is gone, and the training was finished before.
        digest: of the weights.
        seen: whom they have read.
    """

    folder: Path | None
    digest: str
    seen: Seen

    @classmethod
    def of(cls, stage: str, training: Training, out: Path) -> "Start | None":
        """What ``training.init_from`` means; none: the training starts at random.

        Args:
            out: folder of the training, which remembers its start when the source is gone.

        Raises:
            UserError: there is no such model.
        """
        if training.init_from is None:
            return None
        delivered = out / "checkpoints/delivered"
        known = read_json(delivered / "model.json") if (delivered / "model.json").is_file() else {}
        given = known.get("settings", {}).get("training", {}).get("init_from")
        if not training.init_from.exists() and given == str(training.init_from) and "init_from" in known:
            return cls(None, known["init_from"]["digest"], Seen.before(delivered))
        folder = source_of(stage, training.init_from, out)
        return cls(folder, read_json(folder / "model.json")["digest"], Seen.by(folder))

    def require_unseen(self, stage: str, training: Training, splits: pd.DataFrame) -> None:
        """Raises:
        UserError: the weights have seen a test subject, and nobody has allowed that.
        """
        tested = self.seen.tested(splits)
        if tested and training.init_seen_test == "refuse":
            raise UserError(
                f"{stage}.training.init_from: the weights {self.digest} were trained on {len(tested)} of the test "
                f"subjects ({some(tested)}): start from others, set splits that test nobody of them, or set "
                f"{stage}.training.init_seen_test: allow, and the report calls its numbers contaminated."
            )

    def facts(self, splits: pd.DataFrame) -> dict[str, Any]:
        """``init_from`` of model.json; no subject is named."""
        seen = {"subjects": len(self.seen.subjects), "subjects_complete": self.seen.complete}
        return {"digest": self.digest} | seen | {"test_subjects": len(self.seen.tested(splits))}


def source_of(stage: str, given: Path, out: Path) -> Path:
    """The model folder of a stage: the given one, or the one in a results folder or in one that was exported.

    Raises:
        UserError: there is none, or it is the folder that the training itself writes.
    """
    key = f"{stage}.training.init_from"
    places = [given, given / stage, given / "train" / stage]
    if (given / "config.json").is_file():  # results/.../model describes the networks of its results folder
        places.append(given.parent / "train" / stage)
    folder = next((place for place in places if (place / "model.json").is_file()), None)
    if folder is None or not (folder / "model.safetensors").is_file():
        raise UserError(
            f"{key}: {given} {'holds no model of this stage' if given.exists() else 'does not exist'}; give a results "
            f"folder of another run, its train/{stage}, or a folder that `ldae export-model` wrote."
        )
    described = read_json(folder / "model.json")
    if (
        not isinstance(described, dict)
        or not {"stage", "digest"} <= described.keys()
        or not isinstance(described.get("settings"), dict)
    ):
        raise UserError(f"{key}: {folder / 'model.json'} does not describe a model: give another one, or a good copy.")
    if (found := described["stage"]) != stage:
        raise UserError(f"{key}: {folder} holds a model of {found}, not of {stage}.")
    try:
        require_weights(folder / "model.safetensors")
    except UserError as error:
        raise UserError(f"{key}: {error}") from None
    if folder.resolve() in (out.resolve(), (out / "checkpoints/delivered").resolve()):
        raise UserError(
            f"{key}: {folder} is what this training itself writes: give a model of another run, or one of "
            f"{out / 'replaced'}."
        )
    return folder


def misfits(config: Config, stage: str, training: Training) -> Iterator[str]:
    """Sentences on weights that are not there, or are of another architecture than the configuration's."""
    try:
        start = Start.of(stage, training, config.results_dir / "train" / stage)
    except UserError as error:
        yield str(error)
        return
    if start is None or start.folder is None:
        return
    described = read_json(start.folder / "model.json")
    if difference := _difference(config, stage, described, start.folder):
        yield f"{stage}.training.init_from: {start.folder} is of another architecture: {difference}."
    elif (axes := (described.get("grid") or {}).get("axes", RAS)) != RAS:
        yield f"{stage}.training.init_from: {start.folder} reads volumes with the axes {axes}, ours have {RAS}."
    else:
        yield from _tested(config, stage, training, start)


def _tested(config: Config, stage: str, training: Training, start: Start) -> Iterator[str]:
    """A sentence on test subjects that the weights have seen, where it is known already who will be tested: a subject
    that was dealt once stays where it is, unless a list names it as a training subject."""
    manifest = config.results_dir / "manifest"
    if not ((manifest / "splits.tsv").is_file() and (manifest / "splits_ledger.tsv").is_file()):
        return
    splits = read_splits(manifest / "splits.tsv")
    given = training_subjects(config.imported.training_subjects, config.source)
    try:
        start.require_unseen(stage, training, splits[~splits["participant_id"].isin(given)])
    except UserError as error:
        yield str(error)


def _difference(config: Config, stage: str, described: Mapping[str, Any], folder: Path) -> str | None:
    """The first one, in words."""
    section = "representation" if stage.startswith("supervised") else stage
    compared = [(section, described["settings"], ARCHITECTURE[stage])]
    beside = folder.parent / "diffusion" / "model.json"
    if stage == "representation" and beside.is_file():  # its gradient estimator is laid out like that network
        compared.append(("diffusion", read_json(beside)["settings"], UNET))
    for name, theirs, keys in compared:
        for key, ours in ((key, config.section(name)[key]) for key in keys):
            if key in theirs and theirs[key] != ours:
                return f"{name}.{key} is {theirs[key]} there and {ours} here"
    channels = (described.get("latent_shape") or [config.autoencoder.latent_channels])[0]
    if stage in ("diffusion", "representation") and channels != config.autoencoder.latent_channels:
        return f"autoencoder.latent_channels is {channels} there and {config.autoencoder.latent_channels} here"
    return None


def start_sentences(train: Path, splits: pd.DataFrame) -> list[str]:
    """What the report says of every model that did not start at random or was extended; none: nothing.

    Args:
        train: folder of the models.
        splits: splits.tsv of now.
    """
    sentences = []
    for stage in MADE_FROM:
        path = train / stage / "model.json"
        described = read_json(path) if path.is_file() else {}
        if "init_from" in described:
            sentences.append(_start_sentence(stage, described, Seen.before(train / stage), splits))
        for entry in described.get("extended", []):
            sentences.append(
                f"The model of {stage} ({described['digest']}) was extended from step {entry['at_step']:,} "
                f"({entry['from_model']}) to {entry['to_step']:,}; {entry['schedule']}."
            )
    return sentences


def _start_sentence(stage: str, described: Mapping[str, Any], seen: Seen, splits: pd.DataFrame) -> str:
    who = f"the model of {stage} ({described['digest']}) started from the weights {described['init_from']['digest']}"
    tested = len(seen.tested(splits))
    if tested:
        return (
            f"CONTAMINATED: {who}, which were trained on {tested} of this run's test subjects; its numbers on the test "
            "split are no test results."
        )
    if not seen.complete:
        return (
            f"SUBJECTS UNKNOWN: {who}, which do not tell whom they were trained on. Test subjects may be among them, "
            "and then its numbers on the test split are no test results."
        )
    return f"{who[0].upper()}{who[1:]}, which were trained on {len(seen.subjects):,} subjects, by name no test subject."
