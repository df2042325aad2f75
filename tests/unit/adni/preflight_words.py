"""What preflight says of a :class:`conftest.Download`, as the tests ask for it."""

from ldae.adni.preflight import preflight

ALL = "6 of 6 visits on disk will arrive"  # of a download that nobody has harmed


def sentence(download, tables=None) -> str:
    """How many visits will arrive."""
    return preflight(download.images, tables or download.tables).arrivals.sentence()


def said(download, tables=None) -> str:
    """Every finding, a line each."""
    findings = preflight(download.images, tables or download.tables)
    return "\n".join(f"{finding.severity}: {finding}" for finding in findings)
