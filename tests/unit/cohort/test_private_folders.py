"""Who may enter a results folder, by the modes that the system then holds."""

import grp
import os
import stat
from pathlib import Path

import pytest

from ldae.cohort.private_folders import keep_from_others, make_private, require_group, require_place
from ldae.config import load_config
from ldae.core.errors import UserError

ROOT = Path(__file__).parents[3]
WRITTEN = ("train/dae/model.json", "logs/pack.log", "public/report.html", "cohort.json")


@pytest.fixture
def config(tmp_path):
    config = load_config(ROOT / "config/config.yaml")
    return config.model_copy(update={"results_dir": tmp_path / "lab" / "results"})


@pytest.fixture(autouse=True)
def umask():
    """That of most systems."""
    before = os.umask(0o022)
    yield
    os.umask(before)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def made(config, **changes) -> Path:
    config = config.model_copy(update=changes)
    make_private(config, [str(config.results_dir / name) for name in WRITTEN] + ["elsewhere/file"])
    return config.results_dir


def test_folders_are_for_their_owner_and_public_can_be_reached(config):
    results = made(config)
    assert mode(results) == 0o711 and mode(results / "train") == mode(results / "logs") == 0o700
    assert mode(results.parent) == 0o755 and sorted(path.name for path in results.iterdir()) == ["logs", "train"]
    (results / "public").mkdir()
    (results / "public/report.html").touch()
    assert mode(results / "public") == 0o755 and mode(results / "public/report.html") == 0o644
    (results / "train/file").touch()
    assert mode(results / "train/file") == 0o644  # files follow the umask


def said_by_another(call) -> str:
    """What a function returns in a process of nobody's."""
    reading, writing = os.pipe()
    if not (child := os.fork()):
        os.setgroups([])
        os.setgid(65534)
        os.setuid(65534)
        os.write(writing, call().encode())
        os._exit(0)
    os.waitpid(child, 0)
    os.close(writing)
    with os.fdopen(reading) as said:
        return said.read()


@pytest.fixture
def passable(tmp_path):
    """The test's folder can be reached by everybody."""
    for folder in (*tmp_path.parents, tmp_path):
        if folder.stat().st_uid == os.geteuid() and folder != Path("/") and "pytest" in folder.as_posix():
            folder.chmod(0o755)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be another user")
def test_a_results_folder_that_cannot_be_made_is_one_sentence(config, passable):
    def refusal() -> str:
        try:
            require_place(config)
        except UserError as error:
            return str(error)
        return "none"

    above, place = config.results_dir.parents[1], config.results_dir
    assert refusal() == "none"
    assert said_by_another(refusal) == f"results_dir: {above} cannot be written to; choose another place for {place}."
    place.mkdir(parents=True)
    assert said_by_another(refusal) == "none"  # who may only read may still look at the plan
    place.rmdir()
    place.touch()
    assert refusal() == f"results_dir: {place} is no folder; choose another place for {place}."
    config = config.model_copy(update={"results_dir": place / "below"})
    assert refusal() == f"results_dir: {place} is no folder; choose another place for {place / 'below'}."


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be another user")
def test_another_user_reads_public_and_nothing_else(config, passable):
    results = made(config)
    for name in WRITTEN:
        (results / name).parent.mkdir(parents=True, exist_ok=True)
        (results / name).write_text(name)
    keep_from_others(results / "cohort.json")

    def another() -> str:
        read = []
        for name in WRITTEN:
            try:
                read.append((results / name).read_text())
            except PermissionError:
                continue
        try:
            list(results.iterdir())
            read.append("listed")
        except PermissionError:
            pass
        return " ".join(read)

    assert said_by_another(another) == "public/report.html"


def test_folders_that_are_there_keep_their_mode(config):
    config.results_dir.mkdir(parents=True)
    (config.results_dir / "train").mkdir()
    results = made(config)
    assert mode(results) == mode(results / "train") == 0o755 and mode(results / "logs") == 0o700


def test_a_groups_folders_are_the_groups_and_so_are_new_files(config):
    mine = grp.getgrgid(os.getgid())
    config = config.model_copy(update={"results_group": mine.gr_name})
    require_group(config)
    results = made(config)
    assert mode(results) == 0o2771 and mode(results / "train") == 0o2770
    (results / "train/dae").mkdir()
    (results / "train/dae/file").touch()
    assert (results / "train/dae/file").stat().st_gid == (results / "train").stat().st_gid == mine.gr_gid
    (results / "cohort.json").touch()
    keep_from_others(results / "cohort.json")
    assert mode(results / "cohort.json") == 0o640


def test_a_group_that_is_not_there_or_not_ours_is_one_sentence(config, monkeypatch):
    with pytest.raises(UserError, match=r"results_group: there is no group nobody-knows on this machine"):
        require_group(config.model_copy(update={"results_group": "nobody-knows"}))
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    foreign = next(entry for entry in grp.getgrall() if entry.gr_gid not in {os.getegid(), *os.getgroups()})
    with pytest.raises(UserError, match=f"results_group: you do not belong to the group {foreign.gr_name}"):
        require_group(config.model_copy(update={"results_group": foreign.gr_name}))


def test_a_phantom_is_nobody(tmp_path):
    paths = [ROOT / "config" / f"{name}.yaml" for name in ("config", "small_networks", "demo")]
    config = load_config(*paths).model_copy(update={"results_dir": tmp_path / "results"})
    make_private(config, ["results/train/model.json"])
    assert not config.results_dir.exists()


def test_files_of_an_open_results_folder_stay_open(tmp_path):
    (tmp_path / "results").mkdir()
    (tmp_path / "results/cohort.json").touch()
    keep_from_others(tmp_path / "results/cohort.json")
    assert mode(tmp_path / "results/cohort.json") == 0o644
