"""What a folder that leaves is and how it was made, for machines: ``ro-crate-metadata.json`` (RO-Crate 1.1).

JSON-LD, written by hand: the folder, every file with its digest, the run that made them with the digests of what it
read, the software with its versions, and the configuration, with which the run can be repeated on the same data.
"""

from collections.abc import Callable, Mapping
from datetime import date
from pathlib import Path
from typing import Any

import yaml

from ldae import __version__
from ldae.config import Config
from ldae.core.files import digest, sha256_file, write_json, write_text
from ldae.report.methods_text import TO_CITE, references
from ldae.report.run_description import run_kind

METADATA, CONFIGURATION = "ro-crate-metadata.json", "configuration.yaml"
CONTEXT = [
    "https://w3id.org/ro/crate/1.1/context",
    {"sha256": "https://w3id.org/ro/terms/workflow-run#sha256"},
]
FORMATS = {
    ".html": "text/html",
    ".json": "application/json",
    ".yaml": "application/yaml",
    ".md": "text/markdown",
    ".tsv": "text/tab-separated-values",
    ".tex": "application/x-tex",
    ".svg": "image/svg+xml",
    ".bib": "application/x-bibtex",
}
OF_THE_MACHINE = {"results_dir", "results_group", "launch", "compute", "csv", "bids", "clinica"}
AGAIN = (
    "Put the same data in their place and run `ldae run --config configuration.yaml` in a checkout of LDAE-ADNI {} "
    "with the versions of `requirements.lock`. A key of the machine (`raw`, `bids`, `csv`, `model`) is given in a "
    "second file."
)


def write_crate(
    folder: Path, config: Config, provenance: Mapping[str, Any], words: Callable[[str], str | None]
) -> None:
    """Write configuration.yaml and ro-crate-metadata.json, the last files of a folder that leaves.

    Args:
        folder: with all its other files.
        config: of the run.
        provenance: of :func:`ldae.core.provenance.run_provenance`.
        words: what a file is, by its path in the folder.
    """
    write_text(folder / CONFIGURATION, configuration_text(repeatable(config)))
    places = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != METADATA)
    files = [_file(path, path.relative_to(folder).as_posix(), words) for path in places]
    write_json(folder / METADATA, crate(files, config, provenance))


def configuration_text(content: Mapping[str, Any]) -> str:
    """configuration.yaml: values in the order of the configuration, without a remark."""
    return yaml.safe_dump(content, sort_keys=False, allow_unicode=True)


def repeatable(config: Config) -> dict[str, Any]:
    """The configuration without what belongs to a machine: its folders, its files, its GPU."""
    whole = config.model_dump(mode="python", exclude=OF_THE_MACHINE)
    kept = _without_paths(whole)
    if config.phantom is not None:
        kept["raw"] = None
    elif "raw" in kept:
        del kept["raw"]
    return kept


def _without_paths(content: Any) -> Any:
    if isinstance(content, Mapping):
        return {key: _without_paths(value) for key, value in content.items() if not isinstance(value, Path)}
    if isinstance(content, list | tuple):
        return [_without_paths(value) for value in content]
    return content


def _file(path: Path, place: str, words: Callable[[str], str | None]) -> dict[str, Any]:
    entity = {"@id": place, "@type": "File", "name": place}
    if told := words(place):
        entity["description"] = told
    if form := FORMATS.get(path.suffix):
        entity["encodingFormat"] = form
    return entity | {"contentSize": str(path.stat().st_size), "sha256": sha256_file(path)}


def crate(files: list[dict[str, Any]], config: Config, provenance: Mapping[str, Any]) -> dict[str, Any]:
    """The whole of ro-crate-metadata.json.

    Args:
        files: an entity for each.
        config: of the run.
        provenance: versions and digests, by kind.
    """
    paper = references()[TO_CITE]
    own = digest(config.model_dump(mode="json"))
    libraries = [
        {"@id": f"#{name}", "@type": "SoftwareApplication", "name": name, "version": version}
        for name, version in sorted(provenance.get("Software", {}).items())
        if name != "ldae-adni"
    ]
    read = [
        {
            "@id": f"#{kind.lower()}-{name}",
            "@type": "CreativeWork",
            "name": f"{name} ({kind.lower()})",
            "identifier": value,
        }
        for kind in ("Stores", "Models")
        for name, value in sorted(provenance.get(kind, {}).items())
    ]
    made = [_named(entity) for entity in files]
    licence = {
        "@id": "#terms",
        "@type": "CreativeWork",
        "name": "Apache-2.0" if config.phantom is not None else "The terms of use of the cohort",
        "description": "Synthetic data of this project."
        if config.phantom is not None
        else "Aggregates of a cohort; whoever passes them on is bound by what its owners allow.",
    }
    return {
        "@context": CONTEXT,
        "@graph": [
            {
                "@id": METADATA,
                "@type": "CreativeWork",
                "conformsTo": {"@id": "https://w3id.org/ro/crate/1.1"},
                "about": {"@id": "./"},
            },
            {
                "@id": "./",
                "@type": "Dataset",
                "name": "Results of a latent diffusion autoencoder of brain MRI",
                "description": run_kind(config),
                "datePublished": f"{date.today().year}",
                "license": _named(licence),
                "citation": {"@id": "#paper"},
                "hasPart": made,
                "mentions": {"@id": "#run"},
            },
            *files,
            {
                "@id": "#run",
                "@type": "CreateAction",
                "name": f"The run of configuration {own}",
                "description": AGAIN.format(__version__),
                "instrument": {"@id": "#ldae-adni"},
                "object": [{"@id": CONFIGURATION}, *map(_named, read)],
                "result": [entity for entity in made if entity["@id"] != CONFIGURATION],
            },
            {
                "@id": "#ldae-adni",
                "@type": "SoftwareApplication",
                "name": "LDAE-ADNI",
                "version": __version__,
                "softwareRequirements": [_named(library) for library in libraries],
            },
            *libraries,
            *read,
            {"@id": "#paper", "@type": "ScholarlyArticle", "name": paper.title, "identifier": paper.number},
            licence,
        ],
    }


def _named(entity: Mapping[str, Any]) -> dict[str, str]:
    return {"@id": entity["@id"]}
