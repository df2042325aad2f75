"""The programs that convert the images."""

from ldae.adni.clinica import OLDEST_DCM2NIIX, clinica_command, dcm2niix_version
from ldae.adni.preflight.finding import Finding
from ldae.core.errors import UserError


def tool_findings() -> list[Finding]:
    """Is there a Clinica, and a dcm2niix that Clinica accepts?"""
    findings = []
    try:
        clinica_command()
    except UserError as error:
        where, used = "the Python environment", "the conversion to BIDS"
        findings.append(Finding("blocking", "no Clinica", where, str(error), used))
    version = dcm2niix_version()
    if version is None or version < OLDEST_DCM2NIIX:
        what = "no dcm2niix" if version is None else f"dcm2niix {version} is too old"
        fix = f"install {OLDEST_DCM2NIIX} or newer (older releases run commands hidden in file names)"
        findings.append(Finding("blocking", what, "PATH", fix, "reading DICOM"))
    return findings
