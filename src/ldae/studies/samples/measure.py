"""Unconditional samples of stage 2: how like real scans they are, and whether they are copies of training scans.

Distances of distributions are measured on two kinds of features, named in the metric: y_sem (the trained semantic
encoder's code) and octants (mean and standard deviation of the autoencoder's latent in each octant and channel), both
standardised by the training scans. They are no FID: no network here has seen natural images. Each stands beside its
floor, that of held-out scans, of which equally many are taken.
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from ldae.config import Evaluation
from ldae.core.batches import batches
from ldae.core.files import write_tsv
from ldae.core.keyed import study_stream
from ldae.core.keys import KEY
from ldae.core.lineage import require_maker, require_scale_factor
from ldae.core.store import Store
from ldae.inference.decoder import Decoder
from ldae.inference.pipeline import LDAE
from ldae.studies.common.inputs import Inputs, volumes_of, write_volumes
from ldae.studies.common.latent_octants import octants
from ldae.studies.common.pieces import WHOLE, Arrays, Pieces
from ldae.studies.common.statistics import estimates_table
from ldae.studies.samples.gate import write_gate
from ldae.studies.samples.neighbours import HELD_OUT, curves, frechet_estimate, kernel_estimate, memorisation, nearest

SHOWN = 4  # samples nearest to a training scan
Made = Callable[[slice], np.ndarray]
"""Some places of a series of volumes -> (B, 1, X, Y, Z); made when asked for, since 500 would fill 5 GB."""


def run_samples(ldae: LDAE, inputs: Inputs, settings: Evaluation, seed: int, out: Path, pieces: Pieces = WHOLE) -> None:
    """Write distances, memorisation, neighbours, curves (.tsv), copies.json and examples/ into ``out``.

    Every volume that is compared has gone through the autoencoder: samples are decoded, held-out and training scans
    are reconstructed, and all are encoded again. ``copied_training`` are training scans so treated, what a memorised
    sample would look like.

    Args:
        pieces: where the codes of every batch are kept until all are there.
    """
    decoder, latents = Decoder(ldae, settings.batch, settings.volumes), inputs.latents
    require_maker(latents, ldae.autoencoder_digest, "autoencoder")
    require_scale_factor(latents, ldae.scale_factor)
    train, held_out = inputs.first_scans("train"), inputs.first_scans("test")
    copied = np.sort(study_stream(seed, "copied scans").permutation(train)[: len(held_out)])
    names = [f"sample-{number:04d}" for number in range(settings.samples)]
    drawn = partial(samples, decoder, names, seed)
    kinds = {
        "unconditional": (names, drawn),
        HELD_OUT: ([inputs.scan_id(row) for row in held_out], partial(decoded, decoder, latents, held_out)),
        "copied_training": ([inputs.scan_id(row) for row in copied], partial(decoded, decoder, latents, copied)),
    }
    found = {kind: encoded(decoder, len(ids), made, pieces, kind) for kind, (ids, made) in kinds.items()}
    write_tsv(out / "distances.tsv", distances(found, inputs, latents, train, held_out, settings.bootstrap, seed))
    references = inputs.rows("train")
    table = neighbour_table(inputs, latents, references, {kind: kinds[kind][0] for kind in kinds}, found)
    write_tsv(out / "neighbours.tsv", table.drop(columns="place"))
    write_gate(out, table, ldae.digests)
    write_tsv(out / "memorisation.tsv", memorisation(table, settings.bootstrap, seed))
    write_tsv(out / "curves.tsv", curves(table, settings.bootstrap, seed))
    write_examples(inputs, table, references, drawn, decoder.batch, out / "examples")
    pieces.clear()


def means(latents: Store, rows: np.ndarray) -> np.ndarray:
    """(N, C, x, y, z) scaled posterior means of these scans."""
    return np.asarray(latents.data[rows, 0], dtype=np.float32) * latents.meta["scale_factor"]


def samples(decoder: Decoder, names: list[str], seed: int, places: slice) -> np.ndarray:
    """(B, 1, X, Y, Z) some of the unconditional samples, in [0, 1]."""
    return np.clip(decoder.generate(decoder.noise(names[places], seed), None), 0, 1)


def decoded(decoder: Decoder, latents: Store, rows: np.ndarray, places: slice) -> np.ndarray:
    """(B, 1, X, Y, Z) volumes in [0, 1] of the mean latents of some of these rows."""
    return np.clip(decoder.decode_latent(means(latents, rows[places])), 0, 1)


def encoded(decoder: Decoder, count: int, made: Made, pieces: Pieces = WHOLE, kind: str = "") -> Arrays:
    """Scaled posterior means ``z`` and ``y_sem`` of ``count`` volumes, of which a batch is held at a time.

    Args:
        kind: of the volumes, by which their pieces are named.
    """

    def codes(places: range) -> Arrays:
        volumes = made(slice(places.start, places.stop))
        return {"z": decoder.encode_mean(volumes), "y_sem": decoder.encode_semantic(volumes)}

    parts = [
        pieces.arrays(f"{kind}-{number}", partial(codes, places))
        for number, places in enumerate(batches(range(count), decoder.batch))
    ]
    return {name: np.concatenate([part[name] for part in parts]) for name in ("z", "y_sem")}


def distances(
    found: dict[str, dict[str, np.ndarray]],
    inputs: Inputs,
    latents: Store,
    train: np.ndarray,
    held_out: np.ndarray,
    bootstrap: int,
    seed: int,
) -> pd.DataFrame:
    """Fréchet and kernel distance of samples, reconstructed and real held-out scans from the training scans.

    One scan per subject; all kinds with as many rows as there are of the fewest.
    """
    reference = {"y_sem": inputs.code("y_sem", train), "octants": octants(means(latents, train))}
    kinds = {
        "unconditional": {"y_sem": found["unconditional"]["y_sem"], "octants": octants(found["unconditional"]["z"])},
        "reconstructed_held_out": {"y_sem": found[HELD_OUT]["y_sem"], "octants": octants(found[HELD_OUT]["z"])},
        HELD_OUT: {"y_sem": inputs.code("y_sem", held_out), "octants": octants(means(latents, held_out))},
    }
    count, rows = min(len(features["y_sem"]) for features in kinds.values()), []
    for kind, features in kinds.items():
        for name, values in features.items():
            centre, spread = reference[name].mean(0), reference[name].std(0)
            scale = np.where(spread > 0, spread, 1)
            a, b = (values[:count] - centre) / scale, (reference[name] - centre) / scale
            rows.append(frechet_estimate(a, b, seed).row(method=kind, metric=f"frechet_{name}_shrunk"))
            rows.append(kernel_estimate(a, b, bootstrap, seed).row(method=kind, metric=f"kernel_{name}"))
    return estimates_table(rows)


def neighbour_table(
    inputs: Inputs,
    latents: Store,
    references: np.ndarray,
    names: dict[str, list[str]],
    found: dict[str, dict[str, np.ndarray]],
) -> pd.DataFrame:
    """One row per sample and scan: its nearest training scan, and how near (root mean square of scaled latents)."""
    known = means(latents, references)
    subjects = inputs.scans.loc[references, "participant_id"].to_numpy()
    parts = []
    for kind, ids in names.items():
        near = nearest(found[kind]["z"], known, subjects)
        scans = inputs.scans.loc[references[near["place"]], KEY].reset_index(drop=True)
        near = pd.concat([near, scans.add_prefix("nearest_")], axis=1)
        parts.append(near.assign(kind=kind, item=ids, subject=[name.split("_ses-")[0] for name in ids]))
    table = pd.concat(parts, ignore_index=True)
    first = ["kind", "item", "subject"]
    return table[[*first, *(column for column in table if column not in first)]]


def write_examples(
    inputs: Inputs, table: pd.DataFrame, references: np.ndarray, drawn: Made, batch: int, folder: Path
) -> None:
    """The samples whose nearest training scan stands out most from the next, each beside that scan. They are drawn
    again, in the batch that they were drawn in, so that they are the same to the last digit."""
    own = table[table["kind"] == "unconditional"].reset_index(drop=True).sort_values("ratio", kind="stable")[:SHOWN]
    volumes, labels = [], []
    for place, row in own.iterrows():
        scan, first = references[int(row["place"])], int(place) // batch * batch
        sample = drawn(slice(first, first + batch))[int(place) - first, 0].copy()
        volumes += [sample, volumes_of(inputs, np.array([scan]))[0, 0]]
        key = {"participant_id": row["nearest_participant_id"], "session_id": row["nearest_session_id"]}
        labels += [key | {"item": row["item"], "kind": kind} for kind in ("sample", "nearest")]
    write_volumes(folder, volumes, labels)
