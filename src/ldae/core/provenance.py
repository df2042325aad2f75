"""Where an output came from: versions of the libraries, digests of the stores and models that made it."""

from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path

from ldae import __version__
from ldae.core.files import read_json, sha256_file
from ldae.core.lineage import open_latents, read_chain
from ldae.core.store import open_store

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
    "lifelines",
    "snakemake",
)
TRAINING = ("torch", "monai", "timm", "numpy")  # of these, what shapes a model


def library_versions(names: Iterable[str] = LIBRARIES) -> dict[str, str]:
    """Installed versions of the libraries that shape the results."""
    return {name: version(name) for name in names}


def run_provenance(stores: list[str], models: list[str]) -> dict[str, dict[str, str]]:
    """Versions, and digests of the stores (``store.json``) and of the models a run was made from.

    A model that was trained with other versions than those installed now is listed with them.

    Raises:
        UserError: they do not belong together.
    """
    train = Path(models[0]).parents[1]
    chain = read_chain(train, [Path(path).parent.name for path in models])
    opened = {Path(path).parent.name: open_store(Path(path).parent) for path in stores}
    if "latents" in opened:
        open_latents(opened["latents"].path, opened["volumes"], chain["autoencoder"])
    contents = {Path(path).parent.name: read_json(path)["digest"] for path in stores}
    weights = {Path(path).parent.name: sha256_file(path)[:16] for path in models}
    earlier = {Path(path).parent.name: _other_versions(Path(path).with_name("model.json")) for path in models}
    content = {"Software": {"ldae-adni": __version__} | library_versions(), "Stores": contents, "Models": weights}
    return content | {"Trained with": {name: versions for name, versions in earlier.items() if versions}}


def _other_versions(description: Path) -> str:
    """What a model was trained with and is installed in another version now; imported models do not say."""
    then, now = read_json(description).get("versions", {}), library_versions(TRAINING)
    return ", ".join(f"{name} {then[name]}" for name in TRAINING if name in then and then[name] != now[name])
