"""The real Clinica on one cohort, downloaded under the names of 2023 and under today's: the same scans.tsv."""

import runpy
from pathlib import Path
from types import SimpleNamespace

from ldae.adni.bids_tables import merge_bids
from ldae.adni.conversion import convert_shard
from ldae.adni.table_adapter import write_adapted_tables
from ldae.config import Convert
from ldae.core.files import read_tsv
from ldae.phantom.loni_tables import write_todays_tables


class Files(SimpleNamespace):
    """Named files of a job that can be gone through, as Snakemake gives them."""

    def __iter__(self):
        return iter(path for item in vars(self).values() for path in (item if isinstance(item, list) else [item]))


ADAPTER = Path(__file__).parents[3] / "workflow" / "scripts" / "build_manifest.py"


def scans_tsv(images, tables, results):
    """The manifest of the chain's own steps, from the table adapter on."""
    adapted, bids, status = results / "tables", results / "bids", results / "status" / "0.tsv"
    settings = Convert(shards=1, max_quarantined_fraction=0.5)
    write_adapted_tables(images, tables, adapted)
    convert_shard(images, adapted, bids, 0, settings, status, results / "scratch")
    merge_bids([status], bids, settings.max_quarantined_fraction)
    participants = bids / "participants.tsv"
    job = {
        "input": Files(participants=participants, dataset=participants, preflight=[], statuses=[status]),
        "params": SimpleNamespace(shards=1, source="adni", dataset=None, settings={"require_diagnosis": False}),
        "output": Files(scans=results / "scans.tsv", exclusions=results / "exclusions.tsv"),
        "log": [results / "log"],
    }
    runpy.run_path(str(ADAPTER), {"snakemake": SimpleNamespace(**job)})
    return results / "scans.tsv"


def test_both_downloads_give_the_same_scans(download, tmp_path):
    write_todays_tables(tmp_path / "today", download.plans, download.listed, 3)
    assert {plan.phase for plan in download.plans} & {"ADNI2", "ADNI3"}
    old = scans_tsv(download.images, download.tables, tmp_path / "a")
    new = scans_tsv(download.images, tmp_path / "today", tmp_path / "b")
    scans = read_tsv(old)
    assert list(scans["status"]) == ["included"] * sum(len(plan.visits) for plan in download.plans)
    assert scans[["diagnosis", "cdr", "mmse", "age"]].notna().all(axis=None)
    assert old.read_bytes() == new.read_bytes()
