"""Where an output came from: versions of the libraries, digests of the stores and models that made it."""

from importlib.metadata import version
from pathlib import Path

from ldae import __version__
from ldae.core.files import read_json, sha256_file

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


def library_versions() -> dict[str, str]:
    """Installed versions of the libraries that shape the results."""
    return {name: version(name) for name in LIBRARIES}


def run_provenance(stores: list[str], models: list[str]) -> dict[str, dict[str, str]]:
    """Versions, and digests of the stores (``store.json``) and of the models a run was made from."""
    contents = {Path(path).parent.name: read_json(path)["digest"] for path in stores}
    weights = {Path(path).parent.name: sha256_file(path)[:16] for path in models}
    return {"Software": {"ldae-adni": __version__} | library_versions(), "Stores": contents, "Models": weights}
