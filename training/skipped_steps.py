"""Steps that are not taken, for their gradients are not finite: they leave no trace, and too many of them end a run."""

from collections.abc import Iterable

from torch import Tensor, nn

from svc.errors import InvalidRequestError
from training.shared_norms import restore_statistics, running_statistics

# A bad batch is passed over, a run that has gone astray is not.
MOST_SKIPPED = 20


class SkippedSteps:
    """Those of one run in a row up to now.

    A module's batch norms move in the forward pass, before it is known whether the step will be taken: `before` is what
    they were.
    """

    def __init__(self, module: nn.Module) -> None:
        self.module = module
        self.in_a_row = 0
        self.before: Iterable[tuple[Tensor, Tensor]] = ()

    def begin(self) -> None:
        """Before the forward pass of a step."""
        self.before = running_statistics(self.module)

    def taken(self) -> None:
        self.in_a_row = 0

    def skip(self, step: int) -> None:
        """Raises InvalidRequestError when nothing has been learnt for too long."""
        restore_statistics(self.before)
        self.in_a_row += 1
        if self.in_a_row == MOST_SKIPPED:
            message = (
                f"{MOST_SKIPPED} steps in a row up to step {step} had gradients that are not finite: lower the "
                "learning rate, or look for broken recordings"
            )
            raise InvalidRequestError(message, field="learning_rate")
