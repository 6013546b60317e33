"""The choice of a setting."""

from dataclasses import replace

from svc.pipelines.diarization import DiarizationConfig
from training.metrics.diarization import DiarizationErrors
from training.tune_diarization import Outcome, all_settings, leave_one_out, report


def errors(*missed_s: float) -> tuple[DiarizationErrors, ...]:
    return tuple(DiarizationErrors(missed_s=missed, total_s=10.0, recordings=1) for missed in missed_s)


def outcomes(*missed_s: tuple[float, ...]) -> list[Outcome]:
    return [
        Outcome(setting=setting, ami=errors(*missed), conversations=errors(0.0))
        for setting, missed in zip(all_settings(), missed_s, strict=False)
    ]


def test_an_excerpt_is_judged_by_the_setting_that_suits_the_others() -> None:
    # The first suits only the last excerpt, the second all others: left out, each excerpt gets the wrong one for it.
    assert leave_one_out(outcomes((9.0, 0.0), (0.0, 9.0))).missed_s == 18.0


def test_a_setting_that_is_best_everywhere_is_kept() -> None:
    assert leave_one_out(outcomes((1.0, 1.0, 1.0), (2.0, 2.0, 2.0))).missed_s == 3.0


def test_the_shipped_setting_is_on_the_grid() -> None:
    shipped = DiarizationConfig()
    assert any(replace(setting.config(), voiceprints=shipped.voiceprints) == shipped for setting in all_settings())


def test_the_report_is_sorted_by_cost() -> None:
    rows = report(outcomes((3.0, 3.0), (1.0, 1.0), (2.0, 2.0)))["best"]
    assert isinstance(rows, list)
    assert [row["ami_der"] for row in rows] == [0.1, 0.2, 0.3]
