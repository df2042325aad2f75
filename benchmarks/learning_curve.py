"""Where does y_sem pass the PCA of voxels, if anywhere? The study of 300 synthetic subjects with fewer and with more.

python benchmarks/learning_curve.py [--training 50 100 200 400] [--variety rich] [--out results/learning_curve]
python benchmarks/learning_curve.py --table   # of what is there, nothing is run

One run of the workflow for each number of training subjects, as far as the probes, in a folder of its own; the larger
cohorts begin with the subjects of the smaller ones. The networks and their steps are those of `make study`. The same
command goes on where it stopped, within a run too. It prints a table and draws <out>/learning_curve.png.
docs/statistics.md says what it costs.
"""

import argparse
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import yaml

from ldae.core.files import read_tsv, write_text
from ldae.core.keys import KEY
from ldae.studies.common.figure_style import FULL_WIDTH_MM, MUTED, house_style, new_figure, save_figure
from ldae.studies.common.method_styles import PROBES
from ldae.studies.common.paper_tables import format_estimate, to_markdown
from ldae.studies.common.scales import Amount, on
from ldae.studies.common.statistics import Estimate, auc, difference_of, interval

ROOT = Path(__file__).parents[1]
BELOW = [f"config/{name}.yaml" for name in ("small_networks", "demo", "study")]
TRAINING_SHARE = 0.7 * 0.95  # of the subjects of the demo's splits
SHARES = {"CN": 0.4, "MCI": 0.2, "AD": 0.4}
METHODS = ("ldae", "pca_voxels", "pca_voxels_once", "untrained_encoder", "oracle")
TITLES = {"auc_ad_cv": "cross-validated", "auc_ad_test": "test subjects"}
RIVALS = ("pca_voxels", "pca_voxels_once")


def configuration(training: int, variety: str, folder: Path) -> dict:
    """What lies over the study's configuration for so many training subjects."""
    everyone = training / TRAINING_SHARE
    subjects = {name: round(share * everyone) for name, share in SHARES.items()}
    return {
        "results_dir": str(folder),
        "phantom": {"variety": variety, "subjects": subjects},
        "splits": {"min_test_subjects_per_class": 3},
    }


def table(out: Path) -> pd.DataFrame:
    """One row per finished run: training subjects, AUC of every method, y_sem minus each PCA, as `value [low, high]`.

    Both protocols: cross-validated (`_cv`), and on the test subjects.
    """
    rows = []
    for probes in sorted(out.glob("*/evaluate/probes"), key=lambda path: int(path.parts[-3])):
        splits = read_tsv(probes.parents[1] / "manifest/splits.tsv")
        row: dict[str, object] = {"training subjects": int((splits["split"] == "train").sum())}
        summary, against = (
            read_tsv(probes / f"{name}.tsv").set_index(["method", "metric"]) for name in ("summary", "differences")
        )
        for metric in ("auc_ad_cv", "auc_ad_test"):
            row |= {f"{method} {metric}": format_estimate(summary.loc[(method, metric)]) for method in METHODS}
            for rival in RIVALS:
                row[f"ldae - {rival} {metric}"] = format_estimate(against.loc[(f"ldae-{rival}", metric)])
        rows.append(row)
    return pd.DataFrame(rows)


def gains(out: Path) -> pd.DataFrame:
    """From each size to the next, on the test subjects that both have: what each AUC gains, and what y_sem gains
    more than each PCA, as `value [low, high]`."""
    runs = sorted(out.glob("*/evaluate/probes/predictions.tsv"), key=lambda path: int(path.parts[-4]))
    told = [_tested(run) for run in runs]
    rows = []
    for before, after, sizes in zip(told, told[1:], pairwise(trained(runs)), strict=False):
        both = {name: after[name].join(before[name], how="inner", rsuffix="_before") for name in METHODS}
        subjects = both["ldae"].index.get_level_values(0)
        row: dict[str, object] = {"training subjects": f"{sizes[0]} to {sizes[1]}", "test subjects": subjects.nunique()}
        columns = {name: table.to_numpy(float) for name, table in both.items()}
        for name, values in columns.items():
            row[name] = _words(interval(values, subjects, difference_of(auc, 2), 0, 0))
        for rival in RIVALS:
            row[f"ldae more than {rival}"] = _words(
                interval(np.hstack([columns["ldae"], columns[rival]]), subjects, more_gained, 0, 0)
            )
        rows.append(row)
    return pd.DataFrame(rows)


def _tested(predictions: Path) -> dict[str, pd.DataFrame]:
    table = read_tsv(predictions).query("task == 'ad' and protocol == 'test'").set_index([*KEY])
    return {name: table.loc[table["features"] == name, ["prediction", "target"]] for name in METHODS}


def _words(estimate: Estimate) -> str:
    return format_estimate(pd.Series(estimate.row()))


@on(Amount(signed=True), by_class=True)
def more_gained(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Gain of the first four columns less that of the next four; columns: score and label after and before."""
    now, before, rival, rival_before = (auc(values[:, place : place + 2], weights) for place in (0, 2, 4, 6))
    return now - before - (rival - rival_before)


@house_style()
def picture(out: Path) -> None:
    """``learning_curve.png``: AUC of every method with its interval by training subjects, both protocols."""
    runs = sorted(out.glob("*/evaluate/probes/summary.tsv"), key=lambda path: int(path.parts[-4]))
    styles = {name: style for name, style in PROBES.items() if name in METHODS}
    figure = new_figure(FULL_WIDTH_MM, 80)
    panels = figure.subplots(1, 2, sharey=True)
    drawn = []
    for panel, (metric, title) in zip(panels, TITLES.items(), strict=True):
        for place, (name, style) in enumerate(styles.items()):
            known = [read_tsv(run).set_index(["method", "metric"]).loc[(name, metric)] for run in runs]
            table = pd.DataFrame(known).assign(method=name, metric=metric, training_subjects=trained(runs))
            drawn.append(table)
            ends = abs(table[["low", "high"]].to_numpy(float).T - table["value"].to_numpy(float))
            panel.errorbar(
                table["training_subjects"] * 1.03 ** (place - len(styles) / 2),
                table["value"],
                yerr=ends,
                label=style.label,
                color=style.colour,
                marker=style.marker,
                linestyle=style.dash,
                elinewidth=0.6,
            )
        panel.set(xscale="log", xlabel="training subjects", title=title)
        panel.set_xticks(trained(runs), [str(number) for number in trained(runs)])
        panel.set_xticks([], minor=True)
        panel.axhline(0.5, color=MUTED, linewidth=0.6)
    panels[0].set_ylabel("AUC, AD against CN")
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=5)
    save_figure(figure, out / "learning_curve", pd.concat(drawn))


def trained(runs: list[Path]) -> list[int]:
    """Training subjects of each run."""
    splits = [read_tsv(run.parents[2] / "manifest/splits.tsv") for run in runs]
    return [int((table["split"] == "train").sum()) for table in splits]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--training", type=int, nargs="+", default=[50, 100, 200, 400], help="training subjects")
    parser.add_argument("--variety", choices=["plain", "rich"], default="rich", help="of the phantom")
    parser.add_argument("--out", type=Path, default=Path("results/learning_curve"))
    parser.add_argument("--table", action="store_true", help="only print the table of the finished runs")
    parser.add_argument("--dry-run", action="store_true", help="say what each run would do")
    given = parser.parse_args()
    for training in () if given.table else given.training:
        overlay = given.out / f"{training}.yaml"
        write_text(ROOT / overlay, yaml.safe_dump(configuration(training, given.variety, given.out / str(training))))
        command = [str(Path(sys.executable).with_name("ldae")), "run", "fit_probes", "--config", *BELOW, str(overlay)]
        status = subprocess.run([*command, *(["--", "-n"] if given.dry_run else [])], cwd=ROOT, check=False).returncode
        if status:
            return status
    found = table(ROOT / given.out)
    if not found.empty:
        picture(ROOT / given.out)
    print("no run is finished" if found.empty else to_markdown(found.astype(str), [True] + [False] * 14))
    gained = gains(ROOT / given.out)
    if len(gained):
        print(f"\nWhat the AUC gains on the same test subjects:\n\n{to_markdown(gained.astype(str), [False] * 9)}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
