"""Cross-validation on toy talkers: trials within folds, nobody trained on and tested, and all folds judged together."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.training.studies.test_study_tables import runs_of
from tests.training.test_embedder_data import TOML
from tests.training.toy_embedder_run import toy_data
from tests.training.toy_fairness_study import NUM_PEOPLE, RUNS, toy_bench, toy_list
from training.data.folds import Fold
from training.data.manifest import DEV, TEST, read_manifest
from training.data.speaker_batches import SomeSpeakers
from training.data.trial_list import read_trials
from training.studies.study_figures import EER, EVERYBODY
from training.studies.study_fold_tables import regions_table
from training.studies.study_run import do
from training.studies.study_sides import CALLS, READ, JudgedList
from training.study_fairness import figures_by_arm
from training.study_folds import (
    POOLED,
    FoldLists,
    FoldRun,
    fold_trials,
    folder_of,
    main,
    parsed,
    pool,
    tables,
    touches,
)

pytestmark = pytest.mark.slow  # whole studies

FOLDS = [
    Fold(number=number, corpus=READ, tested=frozenset(str(person) for person in range(number, NUM_PEOPLE, 2)))
    for number in range(2)
]


def within_folds() -> JudgedList:
    """As the real lists are: no trial is between folds."""
    whole = toy_list(READ, seed=1)
    both = touches(whole.trials, FOLDS[0]) & touches(whole.trials, FOLDS[1])
    return whole.select(~both)


LISTS = FoldLists(tested=within_folds(), dev={corpus: toy_list(corpus, seed=0) for corpus in (READ, CALLS)})


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of the first run both folds, of the second one."""
    out = tmp_path_factory.mktemp("folds")
    for run, folds in ((RUNS[0], FOLDS), (RUNS[1], FOLDS[:1])):
        for fold in folds:
            do(run, replace(toy_bench(out / folder_of(fold)), lists=LISTS.of(fold)))
    return out


def test_a_fold_is_judged_on_its_own_people_and_chosen_on_others() -> None:
    for fold in FOLDS:
        lists = LISTS.of(fold)
        tested, chosen_on = (lists[split][READ].trials for split in (TEST, DEV))
        people = [{trials.units[side] for side in trials.enrolment} for trials in (tested, chosen_on)]
        assert people[0] == fold.tested
        assert not people[1] & fold.tested


def test_all_trials_are_of_one_fold() -> None:
    counts = [len(LISTS.of(fold)[TEST][READ].trials) for fold in FOLDS]
    assert sum(counts) == len(LISTS.tested.trials)


def test_what_all_folds_said_is_judged_together(finished: Path) -> None:
    for run in RUNS[:2]:
        pool(run, FOLDS, LISTS.tested, out=finished, replicas=5)
    pooled = figures_by_arm(RUNS, finished / POOLED)
    assert {arm: sorted(of) for arm, of in pooled.items()} == {RUNS[0].arm: [RUNS[0].seed]}
    everybody = pooled[RUNS[0].arm][RUNS[0].seed].lists[READ].groupings[EVERYBODY]
    assert everybody.n_speakers == (NUM_PEOPLE,)
    parts = [figures_by_arm(RUNS, finished / folder_of(fold))[RUNS[0].arm][RUNS[0].seed].lists[READ] for fold in FOLDS]
    eers = [EER.statistic(part)[0] for part in parts]
    whole = EER.statistic(pooled[RUNS[0].arm][RUNS[0].seed].lists[READ])[0]
    assert min(eers) - 0.05 <= whole <= max(eers) + 0.05


def test_the_tables_tell_of_every_fold_and_region(finished: Path) -> None:
    pool(RUNS[0], FOLDS, LISTS.tested, out=finished, replicas=5)
    told = tables(RUNS, FOLDS, finished)
    for words in ("40 test talkers", "fold 1", "By country or region"):
        assert words in told
    assert "no finished run yet" in tables(RUNS, FOLDS, finished / "none")


def test_each_region_tells_its_errors_and_what_a_method_changes() -> None:
    table = regions_table({"uniform": runs_of(0, 1), "pw": runs_of(0, 1, scale=0.5)}, ["pw"])
    rows = table.splitlines()[2:]
    assert [row.split(" | ")[:3] for row in rows] == [["| Asia", "20", "20 / 20"], ["| Europe", "20", "20 / 20"]]
    assert all(row.endswith("**-50 % [-50, -50]** |") for row in rows)


def test_no_error_in_twenty_people_of_a_region_leaves_what_they_may_hide() -> None:
    table = regions_table({"uniform": runs_of(0, 1, scale=0)}, [])
    assert table.splitlines()[2].startswith("| Asia | 20 | 20 / 20 | 0.0 [0.0, 16.8] | 0.0 [0.0, 16.8] |")


def test_a_run_is_named_by_its_fold() -> None:
    names = {FoldRun(fold=fold, run=run).name for fold in FOLDS for run in RUNS}
    assert len(names) == len(FOLDS) * len(RUNS)


def test_trials_are_drawn_once_and_within_folds(corpus_root: Path, tmp_path: Path) -> None:
    speakers = sorted({clip.speaker for clip in read_manifest(corpus_root / "manifest.csv") if clip.corpus == "saa"})
    halves = (speakers[:3], speakers[3:])
    folds = [Fold(number=number, corpus="saa", tested=frozenset(half)) for number, half in enumerate(halves)]
    trials = fold_trials(folds, root=corpus_root, cache=tmp_path)
    assert not (touches(trials, folds[0]) & touches(trials, folds[1])).any()
    (kept,) = tmp_path.glob("trials-*.csv")
    assert np.array_equal(read_trials(kept).enrolment, trials.enrolment)


def test_some_talkers_are_numbered_anew_and_say_the_same() -> None:
    data = toy_data()
    some = SomeSpeakers(data.examples, [1, 5])
    np.testing.assert_array_equal(some[3, 1].inputs, data.examples[3, 5].inputs)
    assert some[3, 1].speaker == 1


def test_the_options_are_those_of_a_study() -> None:
    options = parsed(["toy.toml", "--out", "o"])
    assert (options.folds, options.seeds) == (5, (0, 1, 2, 3, 4))
    assert options.methods == ("uniform", "pw", "uniform-binary", "pw-binary")


def test_without_data_the_error_names_the_manifest(tmp_path: Path) -> None:
    (tmp_path / "toy.toml").write_text(TOML.replace("TRAINS", "head").replace("METHOD", "pw"))
    with pytest.raises(SystemExit, match="no manifest"):
        main([str(tmp_path / "toy.toml"), "--out", str(tmp_path), "--root", str(tmp_path)])
