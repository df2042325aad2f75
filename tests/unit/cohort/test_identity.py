"""A results folder remembers its cohort: grown and moved ones are the same, another is refused before any planning."""

import json
import shutil
from pathlib import Path

import pytest

from ldae import cli
from ldae.adni.inventory import write_inventory as write_raw_inventory
from ldae.cohort.identity import SAMPLE, require_same_cohort
from ldae.cohort.inventory import inventory_path, read_inventory, write_inventory
from ldae.config import load_config
from ldae.core.errors import UserError
from ldae.core.files import read_json, read_tsv, write_json

CONFIG = Path(__file__).parents[3] / "config"
SMALL = (CONFIG / "config.yaml", CONFIG / "small_networks.yaml")


def add_scan(root: Path, number: int, content: str) -> None:
    name = f"sub-{number:02}"
    (root / name / "anat").mkdir(parents=True)
    (root / name / f"anat/{name}_T1w.nii.gz").write_text(content * number)
    (root / name / f"anat/{name}_T1w.json").write_text("{}")
    (root / name / f"{name}_sessions.tsv").write_text("session_id\tdiagnosis\nses-M000\tCN\n")


def make_dataset(root: Path, content: str = "a", scans: int = 6) -> Path:
    """A BIDS dataset with the names that every second dataset has; images are told apart by their sizes."""
    for number in range(1, scans + 1):
        add_scan(root, number, content)
    (root / "dataset_description.json").write_text('{"Name": "tiny"}')
    (root / "participants.tsv").write_text("participant_id\tage\n")
    return root


def configured(folder: Path, **content):
    """The configuration with ``content`` over the small networks, and the files it is read from."""
    overlay = folder / "mine.json"
    overlay.write_text(json.dumps({"results_dir": str(folder / "results")} | content))
    return load_config(*SMALL, overlay)


def bids(folder: Path, root: Path):
    return configured(folder, source="bids", bids={"path": str(root)})


@pytest.fixture
def made(tmp_path):
    """A results folder made of ``mine``."""
    config = bids(tmp_path, make_dataset(tmp_path / "mine"))
    write_inventory(config, inventory_path(config))
    return config


def refused(config) -> str:
    with pytest.raises(UserError) as caught:
        require_same_cohort(config)
    message = str(caught.value)
    assert "ldae fresh --cohort" in message and message.count(". ") == 0
    return message


def test_the_same_and_a_grown_cohort_pass(made):
    require_same_cohort(made)
    add_scan(made.bids.path, 7, "a")
    require_same_cohort(made)
    (made.bids.path / "sub-01/anat/sub-01_T1w.nii.gz").write_text("a better image")
    require_same_cohort(made)


def test_another_dataset_is_refused_with_the_way_on(made, tmp_path):
    other = bids(tmp_path, make_dataset(tmp_path / "other", "bcd"))
    message = refused(other)
    assert str(tmp_path / "mine") in message and str(tmp_path / "other") in message and "--same-cohort" in message


def test_another_source_is_refused(made, tmp_path):
    (tmp_path / "scans.csv").write_text("subject,path\nsub-01,mine/sub-01/anat/sub-01_T1w.nii.gz\n")
    message = refused(configured(tmp_path, source="csv", csv={"path": str(tmp_path / "scans.csv")}))
    assert "a table of volumes" in message and "--same-cohort" not in message


def test_another_dataset_in_the_same_place_is_refused(made):
    for subject in made.bids.path.glob("sub-*"):
        subject.rename(subject.with_name(f"sub-X{subject.name[4:]}"))
        for image in made.bids.path.glob(f"sub-X{subject.name[4:]}/anat/*"):
            image.rename(image.with_name(image.name.replace("sub-", "sub-X")))
    refused(made)


def test_moved_data_a_link_and_a_moved_project_are_the_same_cohort(made, tmp_path, monkeypatch):
    shutil.move(tmp_path / "mine", tmp_path / "elsewhere")
    require_same_cohort(bids(tmp_path, tmp_path / "elsewhere"))
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    require_same_cohort(bids(tmp_path, tmp_path / "link"))
    (tmp_path / "project").mkdir()
    for name in ("elsewhere", "results", "mine.json"):
        shutil.move(tmp_path / name, tmp_path / "project" / name)
    monkeypatch.chdir(tmp_path / "project")
    Path("mine.json").write_text('{"results_dir": "results", "source": "bids", "bids": {"path": "elsewhere"}}')
    require_same_cohort(load_config(*SMALL, "mine.json"))


def test_a_download_that_was_removed_after_conversion_keeps_its_cohort(made, tmp_path):
    shutil.rmtree(made.bids.path)
    require_same_cohort(made)
    refused(bids(tmp_path, tmp_path / "never/there"))


def test_what_cannot_be_recognised_is_taken_at_the_users_word(made, tmp_path, capsys):
    shutil.move(tmp_path / "mine", tmp_path / "defaced")
    for image in (tmp_path / "defaced").rglob("*.nii.gz"):
        image.write_text("without a face" + image.name)
    config = bids(tmp_path, tmp_path / "defaced")
    refused(config)
    command = ["inventory", "--config", *map(str, SMALL), str(tmp_path / "mine.json")]
    assert cli.main(command) == 1 and "was made of" in capsys.readouterr().err
    assert cli.main([*command, "--same-cohort"]) == 0 and "changed" in capsys.readouterr().out
    require_same_cohort(config)
    assert cli.main(command) == 0 and "unchanged" in capsys.readouterr().out


def test_without_its_memory_a_results_folder_is_known_by_its_inventory(made, tmp_path):
    (made.results_dir / "cohort.json").unlink()
    require_same_cohort(made)
    other = bids(tmp_path, make_dataset(tmp_path / "other", "bcd"))
    assert "no cohort.json" in refused(other)
    download = configured(tmp_path, raw={"images": str(tmp_path / "other"), "tables": str(tmp_path / "other")})
    assert "made of a BIDS dataset" in refused(download)


@pytest.mark.parametrize("left", ["dataset_inventory.tsv", "scans.tsv"])
@pytest.mark.parametrize("removed", [False, True])
def test_results_of_an_earlier_version_go_on_at_the_users_word(made, tmp_path, capsys, left, removed):
    inventory_path(made).rename(made.results_dir / "manifest" / left)
    (made.results_dir / "cohort.json").unlink()
    for image in made.bids.path.rglob("*.nii.gz"):
        image.write_text("another")
    if removed:
        shutil.rmtree(made.bids.path)
    assert "ldae inventory --same-cohort" in refused(made)
    command = ["inventory", "--config", *map(str, SMALL), str(tmp_path / "mine.json"), "--same-cohort"]
    assert cli.main(command) == 0
    require_same_cohort(made)
    refused(bids(tmp_path, make_dataset(tmp_path / "other", "bcd")))


def test_an_older_download_is_known_by_its_image_folders(tmp_path):
    config = configured(tmp_path, raw={"images": str(tmp_path / "ADNI"), "tables": str(tmp_path / "clinical")})
    (tmp_path / "clinical").mkdir()
    (tmp_path / "ADNI/002_S_0295/I1").mkdir(parents=True)
    (tmp_path / "ADNI/002_S_0295/I1/slice.dcm").write_text("one")
    write_raw_inventory(config.raw.images, config.raw.tables, config.results_dir / "manifest/raw_inventory.tsv")
    require_same_cohort(config)
    (tmp_path / "ADNI/002_S_0295").rename(tmp_path / "ADNI/002_S_0296")
    assert "--same-cohort" in refused(config)


@pytest.mark.parametrize(("change", "same"), [({}, True), ({"revision": 2}, True), ({"voxel_mm": 3.5}, False)])
def test_a_phantom_is_known_by_its_settings(tmp_path, change, same):
    phantom = {"subjects": {"CN": 1}, "voxel_mm": 3.0}
    first = configured(tmp_path, source="bids", phantom=phantom)
    make_dataset(first.bids.path)
    write_inventory(first, inventory_path(first))
    assert str(tmp_path) not in (first.results_dir / "cohort.json").read_text()
    again = configured(tmp_path, source="bids", phantom=phantom | change)
    require_same_cohort(again) if same else refused(again)
    (first.results_dir / "cohort.json").unlink()
    write_json(first.results_dir / "raw/phantom.json", {"settings": first.phantom.described()})
    require_same_cohort(again) if same else refused(again)
    refused(bids(tmp_path, make_dataset(tmp_path / "mine")))


def test_fresh_moves_aside_what_was_made_and_nothing_else(made, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    results = made.results_dir
    (results / "train/autoencoder/checkpoints").mkdir(parents=True)
    (results / "train/autoencoder/model.json").write_text("{}")
    (results / "notes.txt").write_text("mine")
    assert cli.main(["fresh", "--cohort", str(results)]) == 0 and "aside-1" in capsys.readouterr().out
    assert {path.name for path in results.iterdir()} == {"aside-1", "notes.txt"}
    assert (results / "aside-1/train/autoencoder/model.json").read_text() == "{}"
    require_same_cohort(bids(tmp_path, make_dataset(tmp_path / "other", "bcd")))
    assert cli.main(["fresh", "--cohort", str(results)]) == 1 and "no results" in capsys.readouterr().err


def test_a_dataset_where_the_conversion_writes_is_refused(tmp_path):
    make_dataset(tmp_path / "results/bids")
    with pytest.raises(UserError, match="did not make"):
        require_same_cohort(configured(tmp_path, raw={"images": "data/ADNI", "tables": "data/clinical"}))


def test_files_where_a_phantom_would_be_written_are_refused(tmp_path):
    """A folder of data with its own ``raw`` in it, taken for results_dir over the demo."""
    config = load_config(*SMALL, CONFIG / "demo.yaml").model_copy(update={"results_dir": tmp_path})
    (tmp_path / "raw").mkdir()
    require_same_cohort(config)
    (tmp_path / "raw/truth.tsv").write_text("mine")
    with pytest.raises(UserError, match="raw, where the phantom is written, holds other files"):
        require_same_cohort(config)
    (tmp_path / "raw/.phantom").mkdir()
    require_same_cohort(config)


def test_few_images_of_a_large_cohort_are_looked_at(tmp_path):
    config = bids(tmp_path, make_dataset(tmp_path / "mine", scans=99))
    write_inventory(config, inventory_path(config))
    images = read_json(config.results_dir / "cohort.json")["images"]
    assert len(images) <= SAMPLE and len({path for path, _ in images}) == len(images) > SAMPLE // 2


def test_an_inventory_is_rewritten_where_something_is_read_otherwise(made):
    out, root = inventory_path(made), made.bids.path
    table = read_tsv(out)
    assert table["kind"].value_counts().to_dict() == {"image": 6, "sidecar": 6, "table": 8}

    def rewritten() -> bool:
        before = out.stat().st_mtime_ns, out.stat().st_ino
        write_inventory(made, out)
        return (out.stat().st_mtime_ns, out.stat().st_ino) != before

    (root / "sub-01/func").mkdir()
    (root / "sub-01/func/sub-01_bold.nii.gz").write_text("never read")
    (root / "participants.tsv").touch()
    assert not rewritten()
    (root / "sub-01/sub-01_sessions.tsv").write_text("session_id\tdiagnosis\nses-M000\tAD\n")
    assert rewritten() and not rewritten()
    image = root / "sub-02/anat/sub-02_T1w.nii.gz"
    image.write_text(image.read_text().upper())
    assert rewritten() and not rewritten()
    (root / "sub-03/anat/sub-03_T1w.json").write_text('{"MagneticFieldStrength": 3}')
    assert rewritten() and not rewritten()
    image.unlink()
    image.symlink_to("nowhere")
    assert rewritten() and read_inventory(made)["bytes"].isna().sum() == 1


def test_the_authors_table_and_its_volumes_are_listed(tmp_path):
    table, volume = tmp_path / "scans.csv", tmp_path / "one.nii.gz"
    volume.write_text("one")
    table.write_text(f"subject,path\nsub-1,one.nii.gz\nsub-2,{tmp_path / 'gone.nii.gz'}\n")
    config = configured(tmp_path, source="csv", csv={"path": str(table)})
    write_inventory(config, inventory_path(config))
    before = inventory_path(config).read_text()
    volume.write_text("eno")
    write_inventory(config, inventory_path(config))
    assert inventory_path(config).read_text() != before
    require_same_cohort(config)
    table.write_text("subject,path\nsub-9,another.nii.gz\n")
    assert str(table) in refused(config)
