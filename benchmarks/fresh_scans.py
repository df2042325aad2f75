"""What a trained model says of synthetic subjects that it has never seen: false alarms, ages within their interval,
AUC, and how long `ldae apply --codes-only` takes.

    python benchmarks/fresh_scans.py results/demo /tmp/fresh --subjects 200

The phantoms are of the kind of config/demo.yaml, one visit each, with another seed; about 1 CPU-second each to make
and 6 to answer for. What is made and answered is kept in OUT and not done again.
"""

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
from scipy.stats import beta
from sklearn.metrics import roc_auc_score

from ldae.config import Phantom, load_config
from ldae.core.files import read_tsv, write_json
from ldae.core.keys import KEY
from ldae.phantom.cohort import make_bids

ROOT = Path(__file__).parents[1]
SEED = 18  # no cohort of the configurations has this seed
SHARES = {"CN": 36, "MCI": 20, "AD": 36}  # of config/demo.yaml


def cohort(subjects: int) -> Phantom:
    """The demo's phantom with so many subjects, one visit each."""
    known = load_config(*(ROOT / "config" / f"{name}.yaml" for name in ("config", "small_networks", "demo"))).phantom
    shares = {name: round(subjects * share / sum(SHARES.values())) for name, share in SHARES.items()}
    shares["CN"] += subjects - sum(shares.values())
    alone = {"subjects": shares, "visits": 1, "extra_visit_fraction": 0.0, "broken_scans": 0}
    return Phantom.model_validate(known.model_dump() | alone)


def exact(part: int, whole: int) -> str:
    """``part`` of ``whole`` with the exact 95 % interval (Clopper & Pearson 1934)."""
    low = beta.ppf(0.025, part, whole - part + 1) if part else 0.0
    high = beta.ppf(0.975, part + 1, whole - part) if part < whole else 1.0
    return f"{part} of {whole} ({part / whole:.3f} [{low:.3f}, {high:.3f}])"


def timed(model: Path, dataset: Path, answers: Path, workers: int) -> float:
    """Seconds that `ldae apply --codes-only` takes for the dataset, from its start to its end."""
    program = str(Path(sys.executable).with_name("ldae"))
    command = [program, "apply", str(model), str(dataset), "--out", str(answers), "--codes-only"]
    start = time.perf_counter()
    done = subprocess.run([*command, "--workers", str(workers)], check=False)
    assert done.returncode in (0, 3), done.returncode
    return time.perf_counter() - start


def summary(answers: pd.DataFrame, truth: pd.DataFrame) -> dict[str, str]:
    """What is measured, in words."""
    table = answers.merge(truth, on=KEY, suffixes=("", "_true"))
    answered = table[table["status"] != "refused"]
    unusual, known = (answered["status"] == "unusual").sum(), answered["age_low"].notna()
    within = (answered["age_low"] <= answered["age_true"]) & (answered["age_true"] <= answered["age_high"])
    alone = answered[answered["diagnosis"].isin(["AD", "CN"])]
    return {
        "refused": exact(int((table["status"] == "refused").sum()), len(table)),
        "called unusual": exact(int(unusual), len(answered)),
        "ages within their interval": exact(int(within[known].sum()), int(known.sum())) if known.any() else "n/a",
        "guaranteed": str(answered["coverage"].iloc[0]),
        "half width (years)": f"{float((answered['age_high'] - answered['age_low']).iloc[0]) / 2:.1f}",
        "mean absolute error of age (years)": f"{(answered['age'] - answered['age_true']).abs().mean():.2f}",
        "AUC of AD against CN": f"{roc_auc_score(alone['diagnosis'] == 'AD', alone['probability_ad']):.3f}",
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=Path, help="exported model, or a results folder")
    parser.add_argument("out", type=Path, help="folder of the phantoms (bids) and the answers")
    parser.add_argument("--subjects", type=int, default=200)
    parser.add_argument("--workers", type=int, default=1)
    options = parser.parse_args()
    make_bids(options.out, cohort(options.subjects), SEED, options.workers)
    if not (options.out / "time.json").is_file():
        seconds = timed(options.model, options.out / "bids", options.out / "answers", options.workers)
        write_json(options.out / "time.json", {"seconds": seconds, "workers": options.workers})
    answers = read_tsv(options.out / "answers/predictions.tsv")
    truth = read_tsv(options.out / "truth.tsv")[[*KEY, "age", "diagnosis"]]
    spent = json.loads((options.out / "time.json").read_text())
    for name, words in summary(answers, truth).items():
        print(f"{name:36s} {words}")
    each = spent["seconds"] / len(answers)
    print(f"{'seconds a scan, with preprocessing':36s} {each:.2f} ({spent['workers']} workers, one load of the model)")


if __name__ == "__main__":
    main()
