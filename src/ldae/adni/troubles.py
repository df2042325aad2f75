"""Kinds of reasons why the files of an image are not that image: a reason begins with its kind and a colon."""

from enum import StrEnum


class Trouble(StrEnum):
    """What is wrong with the files of an image, as far as names, sizes and headers tell."""

    NOT_THERE = "not on disk"
    EMPTY = "empty files"
    STUBS = "no slices"
    CLOSED = "closed files"
    UNFINISHED = "unfinished download"
    PACKED = "packed"
    GAPS = "slices missing"
    CUT_OFF = "slices cut off"
    CONTRADICTING = "contradicting names"
    MIXED = "mixed images"
    COPY = "copy of another image"
    OF_ANOTHER = "files of another subject"
    OTHER_KIND = "no MR image"
    UNREADABLE = "unreadable DICOM"
    NO_NIFTI = "unusable NIfTI"

    @classmethod
    def of(cls, reason: str) -> "Trouble | None":
        """The kind of a reason; None where it is no such reason."""
        head = reason.split(":")[0]
        return cls(head) if head in cls._value2member_map_ else None

    def because(self, what: str) -> str:
        """A reason of this kind."""
        return f"{self}: {what}"
