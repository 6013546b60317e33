"""The call that a thread works for: how long its caller waits, and whether anybody still does."""

import threading
import time
from contextvars import ContextVar
from dataclasses import dataclass, field

from svc.errors import CallAbandonedError, DeadlinePassedError


@dataclass(frozen=True, slots=True, eq=False)
class CallScope:
    """Whether anybody still waits for the answer: set by the event loop, read by every thread working for the call."""

    deadline_s: float | None = None  # on time.monotonic's clock
    cancelled: threading.Event = field(default_factory=threading.Event)

    @classmethod
    def lasting(cls, seconds: float) -> "CallScope":
        """A scope whose deadline is `seconds` from now."""
        return cls(deadline_s=time.monotonic() + seconds)

    @property
    def remaining_s(self) -> float | None:
        return None if self.deadline_s is None else max(0.0, self.deadline_s - time.monotonic())

    def check(self) -> None:
        """Raises CallAbandonedError, or DeadlinePassedError, which is one, when nobody waits any more."""
        if self.remaining_s == 0:
            raise DeadlinePassedError("the call's deadline has passed: give it more time, or shorter audio")
        if self.cancelled.is_set():
            raise CallAbandonedError("the call was cancelled; no further work is done for it")


current_call: ContextVar[CallScope | None] = ContextVar("current_call", default=None)


def check_wanted() -> None:
    """Raises as CallScope.check when nobody waits any more for the call this thread works for, if it is for one."""
    if scope := current_call.get():
        scope.check()
