"""Ten million trials judged by group, with intervals, beside scikit-learn roc_curve for EER alone, without them."""

import resource
import time

import numpy as np
from sklearn.metrics import roc_curve

from tests.bench.timing import Row
from training.metrics.bootstrap import Resampling, measure_groups
from training.metrics.score_bins import Reading
from training.metrics.scored_trials import Labels, ScoredTrials

NUM_TRIALS, NUM_PEOPLE, NUM_GROUPS = 10_000_000, 1_251, 30


def measure() -> list[Row]:
    """Both in this process, the peer last, so that the memory told is not its."""
    trials, group = drawn()
    started_s = time.perf_counter()
    groupings = [np.zeros(NUM_TRIALS, np.int64), group]
    overall, by_group = measure_groups(trials, groupings, Reading(threshold=0.0), Resampling(levels=2))
    ours_s = time.perf_counter() - started_s
    peak_gib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    started_s = time.perf_counter()
    eers = [peer_eer(trials), *(peer_eer(trials.select(group == number)) for number in range(NUM_GROUPS))]
    peer_s = time.perf_counter() - started_s
    ours = np.append(overall.values[0, 0], by_group.values[:, 0])
    return [
        Row(
            f"all measures, {NUM_GROUPS} groups, {len(overall.draws)} draws of two levels", f"{ours_s:.1f} s", "< 60 s"
        ),
        Row("peak memory of the process, trials included", f"{peak_gib:.2f} GiB", "< 4 GB"),
        Row("roc_curve: EER alone, no interval", f"{peer_s:.1f} s"),
        Row("largest difference of an EER to the peer's", f"{np.abs(ours - eers).max():.1e}"),
    ]


def drawn() -> tuple[ScoredTrials, Labels]:
    """LLRs of people in groups, half of the trials across groups and so of none; rounded, so that many tie."""
    random = np.random.default_rng(0)
    first, second = random.integers(0, NUM_PEOPLE, (2, NUM_TRIALS))
    target = random.random(NUM_TRIALS) < 0.05
    second[target] = first[target]
    second[~target & (first == second)] += 1
    group = np.where(random.random(NUM_TRIALS) < 0.5, first % NUM_GROUPS, -1)
    llrs = np.round(np.where(target, 4.0, -4.0) + random.normal(0, 2, NUM_TRIALS), 4)
    return ScoredTrials(llrs=llrs, target=target, enrolment_unit=first, test_unit=second), group


def peer_eer(trials: ScoredTrials) -> float:
    """Where the peer's curve crosses FNMR = FMR, by linear interpolation."""
    fmr, tpr, _ = roc_curve(trials.target, trials.llrs, drop_intermediate=False)
    excess = fmr - (1 - tpr)
    after = int(np.argmax(excess >= 0))
    share = excess[after - 1] / (excess[after - 1] - excess[after])
    return float(fmr[after - 1] + share * (fmr[after] - fmr[after - 1]))
