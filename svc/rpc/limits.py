"""Token buckets: so many calls a second on average, so many at once; the same for seconds of audio in a stream."""

import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(slots=True)
class _Bucket:
    tokens: float
    filled_s: float


class TokenBuckets:
    """One bucket per tenant, full at first. Not thread-safe: it lives on the event loop."""

    def __init__(self, rate_per_s: float, burst: int, *, clock: Callable[[], float] = time.monotonic) -> None:
        if rate_per_s < 0 or burst < 1:
            raise ValueError(f"need rate_per_s >= 0 and burst >= 1, got {rate_per_s} and {burst}")
        self.rate_per_s = rate_per_s
        self.burst = burst
        self.clock = clock
        self._buckets: dict[str, _Bucket] = {}

    def take(self, tenant: str) -> float:
        """0 and one token less, or the seconds until there is one. A rate of 0 limits nothing."""
        if not self.rate_per_s:
            return 0.0
        now_s = self.clock()
        bucket = self._buckets.setdefault(tenant, _Bucket(self.burst, now_s))
        bucket.tokens = min(self.burst, bucket.tokens + (now_s - bucket.filled_s) * self.rate_per_s)
        bucket.filled_s = now_s
        if bucket.tokens < 1:
            return (1 - bucket.tokens) / self.rate_per_s
        bucket.tokens -= 1
        return 0.0


class AudioPace:
    """How fast one stream sends: `max_speed` seconds of audio a second on average, `max_burst_s` more at once.

    It is asked when audio is worked on, not when it was sent: after a pause of the server all that waited, up to
    `unread_s`, comes at once and is no haste of the caller's. A speed of 0 limits nothing.
    """

    def __init__(
        self,
        max_speed: float,
        max_burst_s: float,
        *,
        unread_s: float = 0.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if max_speed < 0 or (max_speed and max_burst_s <= 0):
            raise ValueError(f"need max_speed >= 0 and a max_burst_s > 0 for it, got {max_speed} and {max_burst_s}")
        self.max_speed = max_speed
        self.max_burst_s = max_burst_s
        self.unread_s = unread_s
        self.clock = clock
        self._ahead_s = 0.0
        self._at_s = clock()

    def spend(self, audio_s: float) -> float:
        """0 when these seconds may come now, else how long to wait before sending them."""
        if not self.max_speed:
            return 0.0
        now_s = self.clock()
        self._ahead_s = max(0.0, self._ahead_s - (now_s - self._at_s) * self.max_speed)
        self._at_s = now_s
        if (over_s := self._ahead_s + audio_s - self.max_burst_s - self.unread_s) > 0:
            return over_s / self.max_speed
        self._ahead_s += audio_s
        return 0.0
