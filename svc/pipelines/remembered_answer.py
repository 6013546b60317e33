"""An enrolment's answer as bytes, kept with its idempotency key so that a repeat hears the same."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from enum import Enum
from typing import Any

from svc.types import AudioQuality, Band, EnrolmentResult, EnrolmentWarning, EnrolmentWarningKind, Profile


def to_answer(qualities: Sequence[AudioQuality], warnings: Sequence[EnrolmentWarning]) -> bytes:
    """What of the answer the profile itself does not hold."""
    content = {"qualities": [asdict(item) for item in qualities], "warnings": [asdict(item) for item in warnings]}
    return json.dumps(content, default=_enum_value).encode()


def from_answer(profile: Profile, answer: bytes) -> EnrolmentResult:
    """The whole answer again."""
    content = json.loads(answer)
    return EnrolmentResult(
        profile=profile,
        qualities=tuple(AudioQuality(**{**item, "band": Band(item["band"])}) for item in content["qualities"]),
        warnings=tuple(
            EnrolmentWarning(**{**item, "kind": EnrolmentWarningKind(item["kind"])}) for item in content["warnings"]
        ),
    )


def _enum_value(value: Any) -> Any:  # noqa: ANN401 - json hands over whatever it cannot write
    if isinstance(value, Enum):
        return value.value
    raise TypeError(f"cannot write {type(value).__name__}")
