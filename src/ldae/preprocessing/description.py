"""What the derivatives say of themselves (BIDS derivatives): the dataset, its kinds of files, the meaning of metrics.

What holds for every scan stands once, in a sidecar at the root that BIDS lets all files of its kind inherit; so
derivatives of an earlier version are described as well, and no scan is worked on again for it.
"""

import json
import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ldae import __version__
from ldae.core.files import read_json, write_json, write_text

BIDS_VERSION = "1.10.0"  # of the raw tree that we write
RAW = "raw"  # name of the raw dataset in BIDS URIs
IGNORED = (  # ours; BIDS has no rule for them yet (transforms: its extension proposal 14)
    "figures",
    "*_xfm.*",
    "*_warp.nii.gz",
    "*_desc-source_T1w.json",
    "*_desc-n4_T1w.json",  # stays where its image was dropped
    "*_desc-qc_T1w.tsv",
    "qc",
    "qc.tsv",
    "qc.json",
    "qc_mosaic.png",
    "exclusions.tsv",
)
README = """# T1-weighted scans on the grid of LDAE-ADNI

Made by `ldae`: bias correction (`desc-n4_T1w`), brain mask (`desc-brain_mask`, on the scan's own grid), registration to
the template, and the brain on the grid of the networks (`desc-preproc_T1w`, intensities 0 to 1). The sidecar of a file
says with which settings and versions it was made. `qc.tsv` says how every scan came through, `qc.json` what its columns
mean, `exclusions.tsv` which scans were lost and why. Files that BIDS has no rule for are listed in `.bidsignore`:
transforms (`_xfm`, `_warp`), pictures for quality control, these tables.
"""
MEANING = {  # column of qc.tsv -> (description, unit or none)
    "bias_range": ("Inhomogeneity that N4 found in the head: highest over lowest gain, 1st to 99th percentile", None),
    "filled": ("Share of the voxels that marked the background (NaN, -32768) and became 0", None),
    "offset": ("Level below zero that was taken from the intensities, over the 99th percentile", None),
    "brain_ml": ("Volume of the brain mask", "ml"),
    "stripped": ("1: the scan came without its skull", None),
    "noise": ("Noise of the air over the brain's median; n/a where the scanner blanked the air", None),
    "noise_brain": ("Noise between neighbouring brain voxels over the brain's median", None),
    "saturated": ("Share of the brain's voxels at the highest intensity of the image", None),
    "detail": ("Share of the brain's contrast that is finer than 8 mm, along the axis that has most", None),
    "ghost": ("Correlation of the brain with what lies half a field of view away; n/a without room there", None),
    "jump": ("How many times more two neighbouring slices of the brain differ than those around them", None),
    "cut_cm2": ("Area of the brain mask on the border of the image", "cm2"),
    "cut_head_cm2": ("Area of head on the border of the image, right beside the brain", "cm2"),
    "folded": (
        "Correlation of opposite borders of the image where one cuts the head; n/a where none does",
        None,
    ),
    "dice_template": ("Overlap of the brain mask with the template's, Dice coefficient", None),
    "ncc_template": ("Correlation with the template inside its brain mask", None),
    "dice_affine": ("dice_template before the warp; n/a without one", None),
    "ncc_affine": ("ncc_template before the warp; n/a without one", None),
    "determinant": ("Volume of the brain in the template over that in the scan (determinant of the affine)", None),
    "shear": ("Shear of the affine", None),
    "stretch": ("How many times more the affine enlarges one direction than another", None),
    "turn": ("Angle by which the affine turns the head", "degrees"),
    "volume_ratio": ("Volume of the brain after the affine over that of the template's; n/a for a rigid one", None),
    "grey_white": ("Median of grey matter over that of white matter, where the template has them", None),
    "fluid_white": ("Median of fluid over that of white matter, where the template has them", None),
    "uneven": ("White matter where it is brightest over where it is darkest, smoothly fitted, after N4", None),
    "enhanced": ("Share of the inner brain brighter than 1.5 times white matter, as after a contrast agent", None),
    "edge_fraction": ("Share of the brain's voxels on the border of the target grid", None),
    "clipped": ("Share of the brain's voxels at the upper end of the scale of intensities", None),
    "range_used": ("Share of the scan's range of intensities that its brain uses", None),
    "ncc_mean_slice": ("Correlation of the middle axial slice with the mean of all", None),
}
COLUMNS: dict[str, dict[str, Any]] = {
    "participant_id": {"Description": "Subject"},
    "session_id": {"Description": "Visit"},
    "state": {"Description": "Whether later steps use the scan", "Levels": {"done": "yes", "quarantined": "no"}},
    "reason": {"Description": "Why the scan is quarantined"},
    "path": {"Description": "Volume on the grid of the networks, from the root of this dataset"},
    "sha256": {"Description": "Digest of that file"},
    "qc": {
        "Description": "Verdict of the quality control",
        "Levels": {
            "pass": "all metrics are within their limits",
            "warn": "a metric is unusual",
            "fail": "a metric is beyond its limit of failure",
        },
    },
    "qc_reason": {"Description": "The metrics that decided the verdict, in words"},
}
NATIVE = {"SpatialReference": "orig"}  # BIDS: the image's own space
KINDS: dict[str, dict[str, Any]] = {  # on the scan's own grid, or the subject's
    "desc-n4_T1w": {"SkullStripped": False, "Description": "The scan after bias-field correction by N4"},
    "desc-mean_T1w": {"SkullStripped": True, "Description": "Mean of the subject's visits, brain alone"},
    "desc-brain_probseg": {"Description": "Probability of brain on the scan's own grid", **NATIVE},
}
KIND = re.compile(r"_(?P<kind>(space-[0-9A-Za-z]+_)?(res-[0-9A-Za-z]+_)?desc-[0-9A-Za-z]+_[0-9A-Za-z]+)\.nii\.gz$")
GRID = re.compile(r"space-(?P<space>[0-9A-Za-z]+)_res-(?P<res>[0-9A-Za-z]+)_desc-preproc_T1w$")


def describe_dataset(root: Path, raw: Path | None = None) -> None:
    """Write ``dataset_description.json``, README and ``.bidsignore``; what is there and says the same is left alone.

    Args:
        raw: the BIDS dataset of the scans: its version of BIDS is taken, and it is named as the source. None: what the
            description names already stays.
    """
    path = root / "dataset_description.json"
    known = read_json(path) if path.is_file() else {}
    kept = {name: known[name] for name in ("BIDSVersion", "SourceDatasets", "DatasetLinks", "Authors") if name in known}
    content = {
        "Name": "LDAE-ADNI preprocessing",
        "BIDSVersion": BIDS_VERSION,
        "DatasetType": "derivative",
        "GeneratedBy": [
            {
                "Name": "ldae-adni",
                "Version": __version__,
                "Description": "N4, brain extraction, registration to a template and one interpolation",
            }
        ],
        **(kept if raw is None else source_of(root, raw)),
    }
    root.mkdir(parents=True, exist_ok=True)
    if known != content:
        write_json(path, content)
    if not (root / "README").exists() and not (root / "README.md").exists():
        write_text(root / "README", README)
    ignored = root / ".bidsignore"
    lines = ignored.read_text(encoding="utf-8").splitlines() if ignored.is_file() else []
    if missing := [line for line in IGNORED if line not in lines]:
        write_text(ignored, "\n".join([*lines, *missing]) + "\n")


def source_of(root: Path, raw: Path) -> dict[str, Any]:
    """What a description says of the raw dataset: where it lies from here, its version of BIDS, authors, DOI."""
    try:
        theirs = json.loads((raw / "dataset_description.json").read_text(encoding="utf-8-sig"))
    except (OSError, ValueError):  # many datasets have none, or a damaged one, which the manifest speaks of
        theirs = {}
    theirs = theirs if isinstance(theirs, dict) else {}
    place = Path(os.path.relpath(raw.resolve(), root.resolve())).as_posix()
    source = {"URL": place} | ({"DOI": theirs["DatasetDOI"]} if isinstance(theirs.get("DatasetDOI"), str) else {})
    version = theirs.get("BIDSVersion")
    found = {
        "BIDSVersion": version if isinstance(version, str) and re.match(r"\d+\.\d+\.\d+", version) else BIDS_VERSION,
        "SourceDatasets": [source],
        "DatasetLinks": {RAW: place},
    }
    authors = theirs.get("Authors")
    return found | ({"Authors": authors} if isinstance(authors, list) and authors else {})


def describe_products(root: Path, names: Iterable[str]) -> None:
    """Write the sidecars that all files of a kind inherit, and the dictionary of qc.tsv.

    Args:
        names: of image files: the kinds, spaces and resolutions that there are (a sidecar without a file is an error).
    """
    kinds = {found["kind"] for name in names if (found := KIND.search(name))}
    metrics = {name: text for name, (text, _) in MEANING.items()}
    sidecars = {f"{kind}.json": content for kind, content in KINDS.items()}
    grids = sorted({(found["space"], found["res"]) for kind in kinds if (found := GRID.match(kind))})
    words = {res: f"{res.replace('p', '.')} mm, isotropic: the grid of the networks" for _, res in grids}
    sidecars["desc-brain_mask.json"] = {  # one for both: BIDS lets a file inherit from one sidecar of a folder alone
        "Type": "Brain",
        "Description": "Brain mask on the scan's own grid; with space and res in the name, on that of the networks",
        **({"Resolution": words} if words else {}),
    }
    for space, res in grids:
        there = {"SpatialReference": reference(space), "Resolution": words[res]}
        sidecars[f"space-{space}_res-{res}_desc-preproc_T1w.json"] = there | {
            "SkullStripped": True,
            "Description": "The brain alone on the grid of the networks, intensities 0 to 1",
            "MetricsDescription": metrics,
        }
        sidecars[f"space-{space}_desc-logjacobian_T1w.json"] = {
            "SpatialReference": there["SpatialReference"],
            "SkullStripped": True,
            "Description": "Log of the Jacobian determinant of the warp; positive: the subject is larger",
        }
    sidecars["qc.json"] = COLUMNS | {
        name: {"Description": text} | ({"Units": unit} if unit else {}) for name, (text, unit) in MEANING.items()
    }
    for name, content in sidecars.items():
        path = root / name
        if name != "qc.json" and not any(kind.endswith(name.removesuffix(".json")) for kind in kinds):
            continue
        if not path.is_file() or read_json(path) != content:
            write_json(path, content)


def reference(space: str) -> str:
    """``SpatialReference`` of what lies in the space of the template."""
    return f"{space}, the template whose sha256 stands among the inputs of desc-preproc_T1w"


def uri(root: Path, product: Path) -> str:
    """The BIDS URI of a file in its own dataset."""
    return f"bids::{product.relative_to(root).as_posix()}"
