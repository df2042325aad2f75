"""What Clinica cannot convert, converted as Clinica does it: dcm2niix, the axes nearest to R-A-S, a centred origin."""

import subprocess
from pathlib import Path

import nibabel
import numpy as np
from nibabel.filebasedimages import ImageFileError

from ldae.adni.clinica import dcm2niix_version, environment
from ldae.core.errors import blaming_the_machine, require_sound
from ldae.core.files import write_json

CONVERTER = "dcm2niix"


def convert_image(source: Path, anat: Path, name: str, log: Path) -> None:
    """Make ``anat/<name>.nii.gz`` of one image's folder of DICOM files (or its NIfTI file), as far as dcm2niix can.

    What it leaves otherwise (several volumes, nothing) is judged afterwards by
    :func:`ldae.adni.publication.checked_image`.

    Raises:
        MachineError: dcm2niix's output or its disk says that the machine is the cause.
    """
    anat.mkdir(parents=True, exist_ok=True)
    made = sorted(source.glob("*.nii*"))  # one, where there is no DICOM
    if not made:
        command = [CONVERTER, "-w", "0", "-f", name, "-o", str(anat), "-z", "n", "-b", "n", str(source)]
        done = subprocess.run(command, env=environment(), capture_output=True, text=True, errors="replace")
        with blaming_the_machine(log.parent), open(log, "a", encoding="utf-8") as handle:
            output = (done.stdout + done.stderr).replace(str(source), source.name)
            handle.write(f"$ {CONVERTER} {name}\n{output}exit status {done.returncode}\n")
        if done.returncode:
            require_sound(done.stdout + done.stderr, anat)
        made = sorted(anat.glob("*.nii"))
    if len(made) == 1:
        with blaming_the_machine(anat):
            centre(made[0], anat / f"{name}.nii.gz")
        (anat / f"{name}.nii").unlink(missing_ok=True)


def centre(image: Path, out: Path) -> None:
    """Rewrite an image with axes R-A-S and the geometry that Clinica gives: voxel size, and the origin in the middle.

    A file that is no image is left to be judged.
    """
    try:
        canonical = nibabel.as_closest_canonical(nibabel.load(image))
        voxels = np.asanyarray(canonical.dataobj)
    except (ImageFileError, EOFError, ValueError):
        return
    steps, sizes = canonical.header["pixdim"][1:4], canonical.header["dim"][1:4]
    affine = np.diag([*map(float, steps), 1.0])
    affine[:3, 3] = -steps * sizes / 2
    nibabel.save(nibabel.Nifti1Image(voxels, affine, canonical.header), out)


def write_sidecar(path: Path, field_strength: str | None) -> None:
    """The JSON file beside an image: what converted it, and the field strength of the study table (T)."""
    content: dict[str, str | float] = {"ConversionSoftware": CONVERTER}
    if (version := dcm2niix_version()) is not None:
        content["ConversionSoftwareVersion"] = version
    if field_strength:
        content["MagneticFieldStrength"] = float(field_strength)
    write_json(path, content)
