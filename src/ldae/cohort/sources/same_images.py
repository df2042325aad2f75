"""Which image files hold the same bytes, without reading a whole cohort."""

import hashlib
from collections import Counter
from pathlib import Path

from ldae.core.files import sha256_file

HEAD_BYTES = 1 << 20


def content_keys(paths: list[Path]) -> list[str | None]:
    """Equal keys for equal files, different ones for different files; none where there is no file.

    A file is read as far as needed: not at all when no other has its size, its first MiB when another has, and wholly
    when these are equal too.
    """
    keys = [str(path.stat().st_size) if path.exists() else None for path in paths]
    for refine in (head_digest, sha256_file):
        shared = {key for key, count in Counter(keys).items() if key is not None and count > 1}
        keys = [f"{key} {refine(path)}" if key in shared else key for key, path in zip(keys, paths, strict=True)]
    return keys


def head_digest(path: Path) -> str:
    with open(path, "rb") as handle:
        return hashlib.sha256(handle.read(HEAD_BYTES)).hexdigest()
