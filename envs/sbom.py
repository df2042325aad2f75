"""What is installed, as a bill of materials (CycloneDX 1.6, JSON): `make sbom`, and in the image `sbom.cdx.json`.

Names, versions, licences and who needs whom are those of the installed packages; requirements.lock has their digests.
"""

import json
import sys
from collections.abc import Iterable
from importlib.metadata import Distribution, distributions
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

PRODUCT = "ldae-adni"


def licence(package: Distribution) -> list[dict[str, Any]]:
    """The SPDX expression of a package, or the name that it gives its licence; empty where it gives none."""
    said = package.metadata
    if expression := said.get("License-Expression"):
        return [{"expression": expression}]
    classes = [line.rpartition(" :: ")[2] for line in said.get_all("Classifier", []) if line.startswith("License ::")]
    first = (said.get("License") or "").strip().partition("\n")[0]
    return [{"license": {"name": name}} for name in (classes or [first]) if name]


def needs(package: Distribution, installed: Iterable[str]) -> list[str]:
    """Names of the packages that one asks for here, of those that are installed."""
    asked = map(Requirement, package.requires or [])
    found = {canonicalize_name(need.name) for need in asked if not need.marker or need.marker.evaluate({"extra": ""})}
    return sorted(found & set(installed))


def bill() -> dict[str, Any]:
    """The bill of materials of the environment that this runs in."""
    packages = {canonicalize_name(package.name): package for package in distributions()}
    refs = {name: f"pkg:pypi/{name}@{package.version}" for name, package in sorted(packages.items())}
    components = []
    for name, ref in refs.items():
        component = {"type": "library", "bom-ref": ref, "name": name, "version": packages[name].version, "purl": ref}
        terms = licence(packages[name])
        components.append(component | ({"licenses": terms} if terms else {}))
    product = components.pop(list(refs).index(PRODUCT)) | {"type": "application"}
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": product, "properties": [{"name": "python", "value": sys.version.split()[0]}]},
        "components": components,
        "dependencies": [
            {"ref": ref, "dependsOn": [refs[need] for need in needs(packages[name], refs)]}
            for name, ref in refs.items()
        ],
    }


if __name__ == "__main__":
    print(json.dumps(bill(), indent=1))
