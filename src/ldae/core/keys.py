"""What names a scan in every table, who was scanned and at which visit; and the shard that a subject belongs to.

The shard is a hash of the subject's name, so no table has to be read to know it.
"""

import hashlib
import re
from pathlib import Path

import pandas as pd

from ldae.core.files import read_tsv

KEY = ["participant_id", "session_id"]
KEY_TYPES = dict.fromkeys(KEY, str)  # as text: ``002`` stays ``002``
ADNI_PARTICIPANT = re.compile(r"sub-ADNI(\d{3})S(\d{4,5})")  # site and RID
PTID = re.compile(r"\d{3}_S_\d{4,5}")  # five digits: enrolled in ADNI4


def participant_id(ptid: str) -> str:
    """``002_S_0295`` -> ``sub-ADNI002S0295``, the name Clinica gives the subject."""
    return "sub-ADNI" + ptid.replace("_", "")


def roster_number(ptid: str) -> int:
    """``002_S_0295`` -> 295: the RID, which is one subject's alone in all of ADNI."""
    return int(ptid.rsplit("_", 1)[1])


def shard_of(participant: str, shards: int) -> int:
    """Shard (0 ... shards - 1) of a subject, the same for ``002_S_0295`` and ``sub-ADNI002S0295``."""
    name = participant_id(participant) if PTID.fullmatch(participant) else participant
    return int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest(), "big") % shards


def scans_of_shard(scans_tsv: str | Path, shard: int) -> pd.DataFrame:
    """Rows of scans.tsv that are included and belong to a preprocessing shard."""
    scans = read_tsv(scans_tsv, dtype=KEY_TYPES)
    return scans[(scans["shard"] == shard) & (scans["status"] == "included")].reset_index(drop=True)
