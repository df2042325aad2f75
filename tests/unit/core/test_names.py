"""Names that somebody may have meant."""

from ldae.core.names import did_you_mean, nearest, target_problems

RULES = {"all": False, "train": False, "train_diffusion": False, "extract_brain": True}


def test_the_nearest_name_comes_first_whatever_its_case():
    assert nearest("Test_Fractoin", ["test_fraction", "validation_fraction", "seed"])[0] == "test_fraction"
    assert nearest("zzz", ["test_fraction"]) == []
    assert did_you_mean("adn", ["adni", "bids"]) == "; did you mean adni?"
    assert did_you_mean("zzz", ["adni", "bids"]) == ""


def test_only_targets_that_snakemake_would_refuse_are_spoken_of():
    good = ["all", "train_diffusion", "results/x/report.html", "report.html"]
    assert target_problems(good, RULES, ["all", "train"]) == []
    shards, unknown, strange = target_problems(["extract_brain", "trian", "zzz"], RULES, ["all", "train"])
    assert "`--until extract_brain`" in shards and "(all, train)" in shards
    assert unknown.startswith("trian is no target; did you mean train? Targets are all, train, ")
    assert strange.startswith("zzz is no target. Targets are all, train, ")


def test_a_path_that_no_rule_writes_is_told_the_nearest_that_one_does():
    files = ["results/paper/figures/figure_5_lda.svg", "results/paper/report.html", "results/public/configuration.yaml"]
    asked = ["results/paper/figures/figure_5.svg", "config/mine.yaml", *files]
    figure, settings = target_problems(asked, RULES, ["all", "train"], files, asked[:2])
    assert "figure_5.svg is written by no rule; did you mean results/paper/figures/figure_5_lda.svg?" in figure
    assert settings == (
        "config/mine.yaml is a configuration, not a target: it stands after --configfile (of `ldae run`: --config)."
    )
