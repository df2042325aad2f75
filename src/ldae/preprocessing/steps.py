"""What each step does to one scan: read, compute, write the product and its sidecar, return the numbers for QC.

A step is skipped when its product was made from the same input with the same parameters.
"""

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np

from ldae.config import BiasField, BrainExtraction, Conform, Registration
from ldae.core.errors import QuarantinedScan, UserError
from ldae.core.files import atomic_path, digest, read_json, sha256_file, write_json
from ldae.core.provenance import library_versions
from ldae.preprocessing.derivatives import ScanFiles, recorded, save_image, sidecar, write_sidecar
from ldae.preprocessing.description import NATIVE, reference, uri
from ldae.preprocessing.giants import averaged, steps_of, thinned
from ldae.preprocessing.reading import SMALLEST_SIDE, read_given, read_scan, sha256_of_scan
from ldae.preprocessing.resource_use import Meter

Metrics = dict[str, Any]
OUTLIER = 2.5  # times the brain's 99th percentile
IN_OTHER_WORDS = {"fit"}  # of N4: its three numbers say it
VERSIONS = {
    "bias_field": ["antspyx"],
    "brain": ["antspyx", "deepbet", "torch"],
    "mean": ["antspyx"],
    "register": ["antspyx"],
}


@dataclass(frozen=True)
class Product:
    """What a step leaves behind: its main file, its sidecar's content, and whether this run made it."""

    path: Path
    record: dict[str, Any]
    fresh: bool


def bias_field_step(
    files: ScanFiles,
    t1w: Path,
    settings: BiasField,
    digest_of_t1w: str | None = None,
    orientation: str | None = None,
    min_slices: int = SMALLEST_SIDE,
) -> Product:
    """N4: ``desc-n4_T1w``.

    Args:
        digest_of_t1w: what stands for the image in the provenance; none: the sha256 of its file.
        orientation, min_slices: as :func:`ldae.preprocessing.reading.read_given` takes them.
    """
    if not t1w.is_file():
        raise QuarantinedScan(f"{t1w.name} is missing from the BIDS dataset")
    inputs = {"t1w": digest_of_t1w or sha256_of_scan(t1w)} | ({"orientation": orientation} if orientation else {})
    provenance = described("bias_field", settings, inputs)
    known = recorded(files.corrected, provenance["key"])
    if known:
        return Product(files.corrected, known, fresh=False)
    from ldae.preprocessing.bias_field import correct_bias_field

    meter = Meter()
    scan, mended = read_given(t1w, orientation, min_slices)
    corrected, metrics = correct_bias_field(scan, settings)
    save_image(files.corrected, corrected, "int16")
    return finished(files.corrected, provenance, metrics | mended, meter)


def brain_step(files: ScanFiles, settings: BrainExtraction) -> Product:
    """Brain extraction: ``desc-brain_mask`` on the grid of the scan, with ``mask: soft`` ``desc-brain_probseg`` too."""
    from ldae.preprocessing.brain_extraction import extract_brain, identity
    from ldae.preprocessing.quality import native_metrics

    inputs = {"corrected": content_of(files.corrected), "weights": identity(settings)}
    provenance = described("brain", settings, inputs)
    known = recorded(files.mask, provenance["key"])
    if known:
        return Product(files.mask, known, fresh=False)
    meter = Meter()
    corrected = read_corrected(files)
    found = extract_brain(corrected, settings)
    if found.probability is not None:
        save_image(files.probability, found.probability, "int16")
    save_image(files.mask, found.mask, "uint8")
    steps, stripped = steps_of(corrected), bool(found.metrics["stripped"])
    metrics = found.metrics | native_metrics(thinned(corrected, steps), thinned(found.mask, steps), stripped)
    if stripped and sidecar(files.corrected).is_file():
        write_json(sidecar(files.corrected), read_json(sidecar(files.corrected)) | {"SkullStripped": True})
    return finished(files.mask, provenance | NATIVE | {"Sources": [uri(files.root, files.corrected)]}, metrics, meter)


def mean_step(visits: list[ScanFiles], settings: Registration) -> Product:
    """``desc-mean_T1w``: the mean of a subject's visits, with their ways to it and its own to the template."""
    from ldae.preprocessing.longitudinal import SubjectMean, mean_of, save_mean
    from ldae.preprocessing.registration_template import template_of

    files = SubjectMean(visits[0].root, visits[0].participant_id)
    inputs = {visit.session_id: digest([content_of(visit.corrected), content_of(visit.mask)]) for visit in visits}
    provenance = described("mean", settings, inputs | {"template": template_of(settings).sha256})
    known = recorded(files.image, provenance["key"])
    if known and all(path.is_file() for path in files.needed(settings.transform, list(inputs))):
        return Product(files.image, known, fresh=False)
    meter = Meter()
    brains = [averaged(brain_of(read_corrected(visit), read_scan(visit.mask))) for visit in visits]
    mean, to_mean = mean_of(brains, settings, files.scratch)
    save_mean(files, mean, dict(zip(inputs, to_mean, strict=True)), settings)
    save_image(files.image, mean, "int16")
    return finished(files.image, provenance, {}, meter)


def register_step(files: ScanFiles, settings: Registration, grid: Conform, through_mean: bool = False) -> Product:
    """Registration and the one interpolation: ``desc-preproc_T1w`` in template space, transform, picture.

    Args:
        through_mean: the scan goes through its subject's mean (:func:`mean_step`), not by a search of its own.
    """
    from ldae.preprocessing.conform import conform
    from ldae.preprocessing.contrast import contrast_metrics, unevenness
    from ldae.preprocessing.longitudinal import SubjectMean, alignment_of_visit
    from ldae.preprocessing.quality import alignment_metrics, before_the_warp, draw_picture, volume_ratio
    from ldae.preprocessing.registration import log_jacobian, register, shear_of, stretch_of, turn_of
    from ldae.preprocessing.registration_template import template_of

    template = template_of(settings)
    soft = read_json(sidecar(files.mask))["parameters"]["mask"] == "soft" if sidecar(files.mask).is_file() else False
    inputs = {"corrected": content_of(files.corrected), "mask": content_of(files.mask), "template": template.sha256}
    if soft:
        inputs["probability"] = content_of(files.probability)
    mean = SubjectMean(files.root, files.participant_id)
    if through_mean:
        inputs["mean"] = read_json(sidecar(mean.image))["key"]
    provenance = described("register", settings, inputs, conform=grid.model_dump(mode="json", exclude_none=True))
    product = files.volume(template.space, grid.spacing_mm)
    known = recorded(product, provenance["key"])
    if known:
        return Product(product, known, fresh=False)
    meter = Meter()
    corrected, mask = read_corrected(files), read_scan(files.mask)
    probability = read_scan(files.probability) if soft else None
    brain = averaged(brain_of(corrected, mask, probability))
    if through_mean:
        alignment = alignment_of_visit(mean, files.session_id, settings, files.scratch)
    else:
        alignment = register(brain, settings, files.scratch)
    try:
        volume, template_mask, scaled = conform(corrected, mask, alignment, grid, probability)
        metrics: Metrics = scaled | alignment_metrics(volume, template_mask, template)
        metrics |= {"determinant": alignment.determinant, "shear": shear_of(alignment.native_to_template)}
        metrics["stretch"] = stretch_of(alignment.native_to_template)
        metrics["turn"] = turn_of(alignment.native_to_template)
        if settings.transform != "rigid":
            metrics["volume_ratio"] = volume_ratio(mask, alignment.determinant, template)
        metrics |= measurable(contrast_metrics(corrected, alignment.native_to_template, template))
        metrics["uneven"] = unevenness(corrected, alignment.native_to_template, template)
        if alignment.warp is not None:
            metrics |= before_the_warp(brain, averaged(mask), alignment.native_to_template, volume, template)
            with atomic_path(files.warp(template.space)) as temporary:
                shutil.copy(alignment.warp, temporary)
            if settings.jacobian:
                save_image(files.jacobian(template.space), log_jacobian(alignment.warp), "float32")
    finally:
        alignment.discard()
    with atomic_path(files.transform(template.space)) as temporary:
        np.savetxt(temporary, alignment.native_to_template, fmt="%.9g")
    sources = {"Sources": [uri(files.root, source) for source in (files.corrected, files.mask)]}
    inside = files.template_mask(template.space, grid.spacing_mm)
    save_image(inside, template_mask, "uint8")
    write_json(sidecar(inside), sources | {"SpatialReference": reference(template.space)})
    draw_picture(corrected, mask, volume, template, files.picture)
    save_image(product, volume, "int16")
    return finished(product, provenance | sources, metrics, meter)


def measurable(contrast: Metrics) -> Metrics:
    """Raises:
    QuarantinedScan: the tissues could not be compared.
    """
    if any(value is None or np.isnan(value) for value in contrast.values()):
        raise QuarantinedScan(
            "the contrast of the tissues cannot be measured: the scan ends where the template has fluid, grey or white "
            "matter, or its white matter is dark; look at its intensities, field of view and registration"
        )
    return contrast


def brain_of(
    corrected: nib.Nifti1Image, mask: nib.Nifti1Image, probability: nib.Nifti1Image | None = None
) -> nib.Nifti1Image:
    """What is registered: the brain, with no voxel so bright that the search would see nothing else."""
    from ldae.preprocessing.conform import weighted, without_outliers

    brain = np.asanyarray(mask.dataobj) > 0.5
    return weighted(without_outliers(corrected, brain, OUTLIER), probability or mask)


def content_of(product: Path) -> str:
    """Digest of an earlier step's product; of one that was dropped (``keep_corrected: false``), what it had.

    Raises:
        QuarantinedScan: it was never made.
    """
    if product.is_file():
        return sha256_file(product)
    if not sidecar(product).is_file():
        raise QuarantinedScan(
            f"{product.name} is missing although its step was done; run that step again, such as "
            "`snakemake --forcerun extract_brain` for a mask"
        )
    return read_json(sidecar(product))["sha256"]


def read_corrected(files: ScanFiles) -> nib.Nifti1Image:
    """The bias-corrected image.

    Raises:
        UserError: it was dropped after registration, and is needed again.
    """
    if not files.corrected.is_file():
        raise UserError(
            f"{files.corrected} was removed after registration (preprocessing.keep_corrected: false) and is needed "
            "again; run the same command with `--forcerun correct_bias_field`."
        )
    return read_scan(files.corrected)


def described(step: str, settings: Any, inputs: dict[str, str], **more: Any) -> dict[str, Any]:
    """Provenance of a product; its ``key`` changes with the input, the parameters and the revision, nothing else."""
    parameters = settings.model_dump(mode="json", exclude=IN_OTHER_WORDS)
    versions = {name: version for name, version in library_versions().items() if name in VERSIONS[step]}
    content = {"step": step, "parameters": parameters, "inputs": inputs} | more
    return content | {"key": digest(content), "versions": versions}


def finished(product: Path, provenance: dict[str, Any], metrics: Metrics, meter: Meter) -> Product:
    """``spent`` is the one entry of a sidecar that differs between two runs."""
    record = provenance | {"sha256": sha256_file(product), "metrics": metrics, "spent": meter.spent()}
    return Product(product, write_sidecar(product, record), fresh=True)
