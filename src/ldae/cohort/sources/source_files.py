"""The files of a given dataset or table whose change makes its inventory, and so the manifest, anew."""

from ldae.config import Config
from ldae.core.errors import UserError


def given_files(settings: Config) -> list[str]:
    """What ``inventory_dataset`` depends on when no conversion comes before it.

    A synthetic dataset is not there yet: the rule ``make_phantom_bids`` writes the file that stands for it. Any other
    BIDS dataset is known by its description, its participants and its table of visits; of anything else that changed
    ``ldae inventory`` tells.

    Raises:
        UserError: the dataset or the table is not there.
    """
    if settings.source == "adni":
        return []
    if settings.source == "csv":
        assert settings.csv is not None  # the configuration was checked
        if not settings.csv.path.is_file():
            raise UserError(f"csv.path: {settings.csv.path} does not exist.")
        return [str(settings.csv.path)]
    if settings.phantom is not None:
        return [str(settings.results_dir / "raw" / "phantom.json")]
    assert settings.bids is not None
    root = settings.bids.path
    if not (root / "dataset_description.json").is_file() and next(root.glob("sub-*"), None) is None:
        raise UserError(f"bids.path: {root} is not a BIDS dataset (it has no dataset_description.json).")
    for name in ("visits", "participants"):
        path = getattr(settings.bids, name)
        if path is not None and not path.is_file():
            raise UserError(f"bids.{name}: {path} does not exist.")
    files = [
        root / "dataset_description.json",
        root / "participants.tsv",
        root / "participants.csv",
        settings.bids.visits,
        settings.bids.participants,
    ]
    return [str(path) for path in files if path is not None and path.is_file()]
