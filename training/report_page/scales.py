"""From values to places along an axis: straight, or by normal deviate as DET curves are drawn."""

import math
from dataclasses import dataclass

from scipy.special import ndtri

STEPS = (1, 2, 5, 10)
DEVIATE_TICKS = (0.0001, 0.001, 0.005, 0.02, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """`low` .. `high` onto `start` .. `end`; what lies beyond is drawn at the edge."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        share = (min(max(value, self.low), self.high) - self.low) / (self.high - self.low)
        return self.start + share * (self.end - self.start)

    def ticks(self, about: int = 5) -> list[float]:
        """Round numbers inside, at least one, 1, 2 or 5 times a power of ten apart."""
        rough = (self.high - self.low) / about
        power = 10.0 ** math.floor(math.log10(rough))
        number = next(number for number, times in enumerate(STEPS) if times * power >= rough * 0.999)
        # Steps as wide as all there is may have none inside, but not those after the next narrower.
        return self._multiples(STEPS[number] * power) or self._multiples(STEPS[number - 1] * power)

    def _multiples(self, step: float) -> list[float]:
        first = math.ceil(self.low / step - 1e-9)
        return [number * step for number in range(first, math.floor(self.high / step + 1e-9) + 1)]


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviateScale:
    """Rates 0 < low < high < 1 onto `start` .. `end`, straight in the quantile of the normal distribution."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, rate: float) -> float:
        ends = ndtri(self.low), ndtri(self.high)
        place = float(ndtri(min(max(rate, self.low), self.high)))
        return float(self.start + (place - ends[0]) / (ends[1] - ends[0]) * (self.end - self.start))

    def ticks(self) -> list[float]:
        return [tick for tick in DEVIATE_TICKS if self.low <= tick <= self.high]


def rate_scale(highest: float, start: float, end: float) -> Scale:
    """From 0 to a little past the highest rate."""
    return Scale(low=0.0, high=max(highest * 1.05, 0.002), start=start, end=end)


def deviate_scale(lowest: float, highest: float, start: float, end: float) -> DeviateScale:
    """Wide enough for both, between 1 in 10,000 and 80 %, and never so narrow that noise looks like a slope."""
    low = max((tick for tick in DEVIATE_TICKS if tick <= lowest), default=DEVIATE_TICKS[0])
    high = min((tick for tick in DEVIATE_TICKS if tick >= highest), default=DEVIATE_TICKS[-1])
    return DeviateScale(low=min(low, 0.005), high=max(high, 0.2), start=start, end=end)
