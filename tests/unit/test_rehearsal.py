"""`make rehearse`: what its eight volumes are, and the table of what the rules took."""

from pathlib import Path

import pandas as pd
import rehearsal
import yaml

from ldae.cohort.splits import make_splits
from ldae.config import load_config

ROOT = Path(__file__).parents[2]
CONFIG = load_config(ROOT / "config" / "config.yaml", ROOT / "config" / "rehearse.yaml")


def test_eight_volumes_reach_every_study():
    """A triplet among the test scans, AD and CN on either side, and scans left for validation."""
    visits = rehearsal.visits(CONFIG)
    table = pd.DataFrame(
        {
            "participant_id": [visit.subject.participant_id for visit in visits],
            "diagnosis": [visit.subject.diagnosis for visit in visits],
            "months": [visit.months for visit in visits],
            "status": "included",
        }
    )
    split = make_splits(table, CONFIG.splits, CONFIG.seed).set_index("participant_id")["split"]
    table["split"] = table["participant_id"].map(split)
    assert len(table) == len({visit.name for visit in visits}) == rehearsal.VOLUMES
    for name in ("train", "test"):
        assert set(table.loc[table["split"] == name, "diagnosis"]) == {"AD", "CN"}
    assert table[table["split"] == "test"].groupby("participant_id")["months"].nunique().max() == 3
    assert (table["split"] == "validation").any()


def test_it_changes_how_much_is_done_and_no_network():
    paper = load_config(ROOT / "config" / "config.yaml")
    for name in ("autoencoder", "diffusion", "representation", "dae"):
        ours, theirs = ({**config.section(name), "training": None} for config in (CONFIG, paper))
        assert ours == theirs
        assert getattr(CONFIG, name).training.steps <= 2
    assert CONFIG.preprocessing == paper.preprocessing


def test_no_two_jobs_ask_for_more_than_a_machine_of_24_gb_has():
    profile = yaml.safe_load((ROOT / "profiles" / "rehearse" / "config.yaml").read_text())
    room = profile["resources"]["mem_mb"]
    assert room <= 22_000
    assert all(resources["mem_mb"] <= room for resources in profile["set-resources"].values())


def test_the_table_reads_snakemake_s_benchmarks(tmp_path):
    folder = tmp_path / "benchmarks"
    folder.mkdir()
    header = "s\th:m:s\tmax_rss\tmax_vms\tmax_uss\tmax_pss\tio_in\tio_out\tmean_load\tcpu_time\n"
    (folder / "train_dae.tsv").write_text(header + "120.5\t0:02:00\t2048.00\t1\t1\t1\t0\t0\t90\t100.25\n")
    (folder / "short.tsv").write_text(header + "0.5\t0:00:00\t-\t-\t-\t-\t-\t-\t-\t-\n")  # over before it was looked at
    table = rehearsal.costs(tmp_path)
    assert table["rule"].to_list() == ["short", "train_dae"]
    assert table.loc[1, ["seconds", "cpu_seconds", "peak_gib"]].to_list() == [120.5, 100.25, 2.0]
    assert table.loc[0].isna().to_list() == [False, False, True, True]
