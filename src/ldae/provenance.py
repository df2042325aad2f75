"""Where an output came from: digests of the code, versions of the libraries that made it."""

import hashlib
from importlib.metadata import version
from pathlib import Path

from ldae import __version__
from ldae.files import read_json, sha256_file

PACKAGE = Path(__file__).parent
LIBRARIES = (
    "clinica",
    "antspyx",
    "deepbet",
    "pybids",
    "torch",
    "monai",
    "timm",
    "numpy",
    "scipy",
    "scikit-learn",
    "snakemake",
)


def code_digest(*parts: str) -> str:
    """Digest of the source of some sub-packages or modules of ``ldae`` (``"evaluation"``, ``"store"``).

    Snakemake sees a change of a script, not of the package behind it: cheap rules take this digest as a parameter.
    """
    hasher = hashlib.sha256()
    for part in sorted(parts):
        module = PACKAGE / f"{part}.py"
        for path in [module] if module.is_file() else sorted((PACKAGE / part).rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts:
                hasher.update(path.relative_to(PACKAGE).as_posix().encode() + path.read_bytes())
    return hasher.hexdigest()[:16]


def library_versions() -> dict[str, str]:
    """Installed versions of the libraries that shape the results."""
    return {name: version(name) for name in LIBRARIES}


def run_provenance(stores: list[str], models: list[str]) -> dict[str, dict[str, str]]:
    """Versions, and digests of the stores (``store.json``) and of the models a run was made from."""
    contents = {Path(path).parent.name: read_json(path)["digest"] for path in stores}
    weights = {Path(path).parent.name: sha256_file(path)[:16] for path in models}
    return {"Software": {"ldae-adni": __version__} | library_versions(), "Stores": contents, "Models": weights}
