"""A trained model as a folder that can be passed on: everything that applying it needs, and nothing of a single scan.

It is laid out as the Hugging Face hub expects: ``config.json``, safetensors, and a ``README.md`` with the front matter
of a model card.
"""

import hashlib
import shutil
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml
from jinja2 import Environment, PackageLoader, StrictUndefined

from ldae import config
from ldae.config import Section
from ldae.core.errors import UserError
from ldae.core.files import read_json, read_tsv, sha256_file, write_json, write_text
from ldae.core.folders import writable_folder
from ldae.core.lineage import read_description
from ldae.core.model_places import SUMS, reading, stated_sums
from ldae.inference.facts import STAGES, Facts, Recipe
from ldae.report.external import RESULTS, results_of
from ldae.report.leaving import check_leaving, look_at_json, look_at_nifti, look_at_text, look_at_weights
from ldae.studies.samples.gate import read_gate

CARD = "README.md"
KINDS = {
    ".json": look_at_json, ".md": look_at_text, ".safetensors": look_at_weights, ".nii": look_at_nifti,
    ".nii.gz": look_at_nifti, "LICENSE": look_at_text, SUMS: look_at_text,
}  # fmt: skip
SETTINGS: dict[str, type[Section]] = {
    "autoencoder": config.Autoencoder,
    "diffusion": config.Diffusion,
    "representation": config.Representation,
}


def export_model(results: Path, out: Path, unchecked: bool = False) -> None:
    """Write the folder ``out``; it appears whole or not at all.

    Args:
        results: results folder of a finished run.
        unchecked: export although the gate (:mod:`ldae.studies.samples.gate`) was not passed; the card says so.

    Raises:
        UserError: the run is not finished, ``out`` is there already, an identifier would leave, or the gate against
            copies of training scans was not passed and ``unchecked`` is not given.
    """
    require_new(out)
    described, card = results / "model", results / "paper" / "MODEL_CARD.md"
    for path in (described / "config.json", card):
        if not path.is_file():
            raise UserError(
                f"{path} is missing: {results} holds no finished run; run the workflow to its report first."
            )
    facts = Facts.read(described)
    gate = read_gate(results, facts.recipe.stages)
    if gate["verdict"] != "passed" and not unchecked:
        raise UserError(
            f"Whether this model has learnt single scans by heart: {gate['verdict']}, {gate['sentence']}; with "
            "--i-know it is exported all the same, and its card says so."
        )
    writable_folder(out.parent)
    with tempfile.TemporaryDirectory(prefix=".tmp-export-", dir=out.parent) as scratch:
        fresh = Path(scratch) / "model"
        for stage in STAGES:
            copy_stage(results / "train" / stage, fresh / stage, facts.recipe.stages[stage])
        Facts(portable(facts.recipe, fresh), facts.probes, facts.reference).write(fresh)
        write_json(fresh / "reference.json", read_json(fresh / "reference.json") | {RESULTS: results_of(results)})
        write_text(fresh / CARD, card_of(facts, card.read_text(encoding="utf-8"), gate))
        write_text(fresh / "LICENSE", licence_of(facts.recipe))
        finished(fresh, out, names_of(results))


def require_new(out: Path) -> None:
    """Raises:
    UserError: something stands there already.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UserError(f"{out} is there already and stays: give a new folder.")


def finished(fresh: Path, out: Path, names: Iterable[str]) -> None:
    """Give a whole model folder its list of sums and its place.

    Args:
        names: identifiers of the cohort.

    Raises:
        UserError: an identifier would leave.
    """
    check_leaving(fresh, names, KINDS, lambda place: True)
    write_text(fresh / SUMS, sums_of(fresh))
    if out.exists():
        out.rmdir()
    fresh.rename(out)


def names_of(results: Path) -> set[str]:
    """Identifiers of the cohort: subjects and images."""
    scans = read_tsv(results / "manifest" / "scans.tsv", dtype=str)
    return {name for column in ("participant_id", "image_id") if column in scans for name in scans[column].dropna()}


def copy_stage(source: Path, target: Path, digest: str) -> None:
    """The weights of one stage, byte for byte, and its model.json without paths of this machine.

    Raises:
        UserError: another model stands there now.
    """
    description = read_description(source)
    if description["digest"] != digest:
        raise UserError(f"{source} holds another model than `describe_model` saw: run the workflow again.")
    target.mkdir(parents=True)
    shutil.copyfile(source / "model.safetensors", target / "model.safetensors")
    settings = SETTINGS[target.name].model_validate(description["settings"])
    write_json(target / "model.json", description | {"settings": without_paths(settings.model_dump())})


def without_paths(content: Any) -> Any:
    """Settings as plain values; files of this machine become none."""
    if isinstance(content, dict):
        return {name: without_paths(value) for name, value in content.items()}
    if isinstance(content, list | tuple):
        return [without_paths(value) for value in content]
    return None if isinstance(content, Path) else content


def portable(recipe: Recipe, folder: Path) -> Recipe:
    """The recipe without paths of this machine: a template of the user's is copied into the folder."""
    content, before = without_paths(recipe.model_dump()), recipe.preprocessing
    registration, extraction = content["preprocessing"]["registration"], content["preprocessing"]["brain_extraction"]
    given = before.registration
    if given.template is not None and Path(given.template).is_file():
        registration["template"] = copied(Path(given.template), folder, "template")
        if given.template_mask is not None:
            registration["template_mask"] = copied(given.template_mask, folder, "template_mask")
    if before.brain_extraction.weights is not None:  # not ours to pass on; to be laid beside config.json
        extraction["weights"] = before.brain_extraction.weights.name
    return Recipe.model_validate(content)


def copied(source: Path, folder: Path, stem: str) -> str:
    """Copy an image into the folder under a name of ours; returns that."""
    name = stem + "".join(source.suffixes[-2:] if source.name.endswith(".nii.gz") else source.suffixes[-1:])
    shutil.copyfile(source, folder / name)
    return name


def card_of(facts: Facts, card: str, gate: dict[str, Any] | None) -> str:
    """README.md: front matter, the card of the run, how to use it, and what is known of its certainty.

    Args:
        gate: of :func:`ldae.studies.samples.gate.read_gate`; none: the weights were trained elsewhere.
    """
    front: dict[str, Any] = {
        "library_name": "ldae-adni",
        "license": "apache-2.0" if facts.recipe.phantom else "other",
        "pipeline_tag": "feature-extraction",
        "tags": ["brain-mri", "diffusion-autoencoder", "safetensors", "not-for-diagnosis"],
    }
    environment = Environment(
        loader=PackageLoader("ldae.report"), undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    body = environment.get_template("exported_card.md.j2").render(
        card=card.rstrip(),
        recipe=facts.recipe,
        reference=facts.reference,
        probes=facts.probes,
        gate=gate,
        imported=gate is None,
    )
    return f"---\n{yaml.safe_dump(front, sort_keys=True)}---\n\n{body}"


def licence_of(recipe: Recipe) -> str:
    """LICENSE: under what the folder may be used."""
    if recipe.phantom:
        return "Apache-2.0. The networks were trained on synthetic heads; nothing was learned from a person.\n"
    return (
        "Format and code are under Apache-2.0. The weights were trained on scans of people: use them and pass them on "
        "only as the terms of that dataset allow (for ADNI: its data use agreement).\n"
    )


def sums_of(folder: Path) -> str:
    """Digest and name of every file, as ``sha256sum --check`` reads them."""
    return "".join(f"{sha256_file(path)}  {path.relative_to(folder).as_posix()}\n" for path in files_of(folder))


def files_of(folder: Path) -> list[Path]:
    """Every file of a model folder but the list of sums."""
    found: Iterable[Path] = sorted(path for path in folder.rglob("*") if path.is_file())
    return [path for path in found if path.relative_to(folder).as_posix() != SUMS]


def verify_model(folder: Path) -> str:
    """Everything that was exported is there, unchanged, and nothing else; returns a digest of it all.

    Raises:
        UserError: a file is missing, changed or left over, or holds what looks like an identifier.
    """
    path = folder / SUMS
    if not path.is_file():
        raise UserError(f"{path} is missing: {folder} is no folder that `ldae export-model` wrote.")
    with reading(folder):
        return _verified(folder, path.read_text(encoding="utf-8"))


def _verified(folder: Path, lines: str) -> str:
    """``lines``: of SHA256SUMS."""
    stated = stated_sums(lines)
    found = {file.relative_to(folder).as_posix(): file for file in files_of(folder)}
    for name in sorted(stated.keys() | found.keys()):
        if name not in found:
            raise UserError(f"{folder / name} is missing: copy the model again.")
        if name not in stated:
            raise UserError(f"{folder / name} is not part of the model that was exported: take it away.")
        if sha256_file(found[name]) != stated[name]:
            raise UserError(f"{folder / name} is not the file that was exported: copy the model again.")
    recipe = Facts.read(folder).recipe
    for stage, digest in recipe.stages.items():
        known = read_json(folder / stage / "model.json")["digest"]
        if known != digest or sha256_file(folder / stage / "model.safetensors")[:16] != digest:
            raise UserError(f"{folder / stage} is not the model that config.json names ({digest}).")
    check_leaving(folder, (), KINDS, lambda place: True)
    return hashlib.sha256(lines.encode()).hexdigest()[:16]
