"""Scales, strokes and colours."""

import re
from importlib import resources
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from markupsafe import Markup
from torch.utils.tensorboard import SummaryWriter

from training.report_page.drawing import MARKERS, chart, path, text
from training.report_page.page_weights import WeightSeries, weights_chart
from training.report_page.scales import DeviateScale, Scale, deviate_scale
from training.report_page.weights_log import read_weights

STYLE = resources.files("training.report_page").joinpath("templates/style.css").read_text(encoding="utf-8")


@given(st.floats(-1e3, 1e3), st.floats(1e-3, 1e3), st.integers(2, 8))
@example(1.0, 401.0, 2)
def test_ticks_are_round_inside_and_few(low: float, width: float, about: int) -> None:
    scale = Scale(low=low, high=low + width, start=0, end=100)
    ticks = scale.ticks(about)
    assert 1 <= len(ticks) <= about + 1
    assert all(low - 1e-6 * width <= tick <= low + width + 1e-6 * width for tick in ticks)


@given(st.floats(0, 1), st.floats(0, 1))
def test_larger_rates_are_never_drawn_lower(one: float, other: float) -> None:
    scale = deviate_scale(0.003, 0.3, 0, 100)
    assert (scale(max(one, other)) >= scale(min(one, other))) is True
    assert 0 <= scale(one) <= 100


def test_the_deviate_scale_is_the_normal_quantile() -> None:
    scale = DeviateScale(low=0.0227501, high=0.9772499, start=-2, end=2)
    assert [scale(rate) for rate in (0.5, 0.1586553)] == pytest.approx([0, -1], abs=1e-5)


def test_what_users_write_stays_text() -> None:
    drawn = chart("x", "<b>", 'a "quoted" & name', 10, [text((0, 0), "</text><script>"), path([(0, 0), (1, 1)], "s")])
    assert isinstance(drawn, Markup)
    assert "<b>" not in drawn
    assert "<script>" not in drawn


def test_every_series_has_a_shape_of_its_own_and_a_style() -> None:
    assert len(set(MARKERS)) == len(MARKERS)
    for number in range(len(MARKERS)):
        assert f".line.s{number} " in STYLE
        assert f".mark.s{number} " in STYLE


def luminance(colour: str) -> float:
    shares = np.array([int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)])
    linear = np.where(shares <= 0.04045, shares / 12.92, ((shares + 0.055) / 1.055) ** 2.4)
    return float(linear @ (0.2126, 0.7152, 0.0722))


def contrast(one: str, other: str) -> float:
    """WCAG 2.2."""
    darker, lighter = sorted((luminance(one), luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
def test_text_and_lines_stand_out_as_the_guidelines_ask(scheme: int) -> None:
    colour = dict(re.findall(r"--([\w-]+): (#\w{6});", re.findall(r":root \{(.*?)\}", STYLE, re.DOTALL)[scheme]))
    for ink, paper in [("ink", "page"), ("quiet", "page"), ("accent", "page"), ("ink", "caution")]:
        assert contrast(colour[ink], colour[paper]) >= 4.5
    for kind in ("shown", "silent"):
        assert contrast(colour[f"{kind}-ink"], colour[kind]) >= 4.5
    for series in ("all", *(f"s{number}" for number in range(len(MARKERS)))):
        assert contrast(colour[series], colour["page"]) >= 3


def test_weights_of_a_training_are_read_averaged_and_drawn(tmp_path: Path) -> None:
    writer = SummaryWriter(str(tmp_path))
    for step in range(200):
        writer.add_scalar("train/weight Lagos", 1 + step / 200, step)
        writer.add_scalar("train/weight <Quito>", 1 - step / 400, step)
        writer.add_scalar("train/loss", 5.0, step)
    writer.close()
    series = read_weights(tmp_path)
    assert [each.group for each in series] == ["Lagos", "<Quito>"]
    assert series[0].weights[-1] == pytest.approx(1.98, abs=0.03)
    assert "&lt;Quito&gt;" in weights_chart(series)


def test_lines_that_end_together_are_named_apart() -> None:
    series = [WeightSeries(group=f"g{number}", steps=(0, 9), weights=(1, 1.2)) for number in range(9)]
    places = re.findall(r'x="270" y="([\d.]+)"', weights_chart(series))
    assert len(places) == len(MARKERS)
    assert np.diff([float(place) for place in places]).min() >= 14
