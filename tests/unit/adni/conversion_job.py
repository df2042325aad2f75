"""The jobs convert_adni_to_bids (one shard) and merge_bids in a process of their own, which can be told to die.

    python conversion_job.py RAW RESULTS MAX_QUARANTINED_FRACTION [MOMENT]

At MOMENT 2n the process kills its whole group (SIGKILL) before its n-th rename, at 2n + 1 after it.
"""

import os
import signal
import sys
from pathlib import Path

from ldae.core.runtime import running


def die_at(moment: int) -> None:
    """Count every rename, of whatever kind, and die at the right one."""
    done = 0

    def counted(rename):
        def call(*arguments, **options):
            nonlocal done
            if 2 * done == moment:
                os.killpg(0, signal.SIGKILL)
            result = rename(*arguments, **options)
            if 2 * done + 1 == moment:
                os.killpg(0, signal.SIGKILL)
            done += 1
            return result

        return call

    os.rename, os.replace = counted(os.rename), counted(os.replace)


def main(raw: Path, results: Path, fraction: float) -> None:
    from ldae.adni.bids_tables import merge_bids
    from ldae.adni.conversion import convert_shard
    from ldae.config import Convert

    settings = Convert(shards=1)
    status, bids = results / "status" / "convert" / "0.tsv", results / "bids"
    convert_shard(raw / "ADNI", raw / "clinical", bids, 0, settings, status, results / "scratch")
    merge_bids([status], bids, fraction)


if __name__ == "__main__":
    if len(sys.argv) > 4:
        die_at(int(sys.argv[4]))
    with running(Path(sys.argv[2]) / "logs" / "convert.log"):
        main(Path(sys.argv[1]), Path(sys.argv[2]), float(sys.argv[3]))
