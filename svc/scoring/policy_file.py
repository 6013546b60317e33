"""A policy chosen on data (`python -m training.calibrate --policy`) as a file: the threshold, and where it is from.

TOML, so that it is read and reviewed like any setting. Its id changes with any letter of it, so that a decision can be
traced to the figures it rests on. A threshold means something on the LLRs of one calibration only: the file names it.
"""

import hashlib
import math
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from svc.artifact import toml_text
from svc.errors import ArtifactError
from svc.scoring.policy import NAMED_POLICIES, Policies, Policy

KIND = "policy"
REMEDY = "choose it again: python -m training.calibrate --policy REQUEST .. --out FILE"
# Each with the least and the most it may be, and finite.
NUMBERS = {
    "threshold_llr": (-math.inf, math.inf),
    "inconclusive_band": (0.0, math.inf),
    "min_net_speech_s": (0.0, math.inf),
    "min_snr_db": (-math.inf, math.inf),
    "max_clipped_share": (0.0, 1.0),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyFile:
    """As read. `policy.policy_id` is the name with eight hex digits of the file's SHA-256."""

    name: str
    policy: Policy
    calibration_id: str
    path: Path

    def check_calibration(self, calibration_id: str) -> None:
        """Raises ArtifactError when it was chosen on the LLRs of another."""
        if self.calibration_id != calibration_id:
            whose = self.calibration_id or "unknown"
            message = f"policy {self.path} was chosen on LLRs of calibration {whose}, this server has {calibration_id}"
            raise ArtifactError(f"{message}; {REMEDY}")


def policy_text(name: str, policy: Policy, *, calibration_id: str, about: Mapping[str, Any]) -> str:
    """What the file holds; `about` tells where the threshold is from. Raises ValueError for what TOML cannot hold."""
    numbers = {key: value for key, value in asdict(policy).items() if key in NUMBERS}
    return toml_text({"kind": KIND, "name": name, "calibration_id": calibration_id, **numbers, "about": about})


def load_policies(paths: Sequence[Path]) -> tuple[PolicyFile, ...]:
    """Raises ArtifactError for a file that is missing or broken, and for two of one name."""
    files = tuple(map(load_policy, paths))
    names = [*NAMED_POLICIES, *(file.name for file in files)]
    for file in files:
        if names.count(file.name) > 1:
            raise ArtifactError(f"policy {file.path}: there is another named {file.name}; give it a name of its own")
    return files


def policies_of(files: Sequence[PolicyFile], *, default: str) -> Policies:
    """Ours and those of the files, by name."""
    return Policies(default=default, chosen={file.name: file.policy for file in files})


def load_policy(path: Path) -> PolicyFile:
    """Raises ArtifactError when it is missing or no policy."""
    try:
        text = path.read_bytes()
        card = tomllib.loads(text.decode())
    except (OSError, ValueError) as error:
        raise ArtifactError(f"cannot read policy {path}: {error}; {REMEDY}") from error
    if card.get("kind") != KIND:
        raise ArtifactError(f"{path} is no policy that was chosen; {REMEDY}")
    try:
        numbers = {name: _number(card, name) for name in NUMBERS}
        name, calibration_id = str(card["name"]), str(card["calibration_id"])
        if not name:
            raise ValueError("name is empty")
    except (KeyError, TypeError, ValueError) as error:
        raise ArtifactError(f"policy {path} is broken: {error}; {REMEDY}") from error
    policy_id = f"{name}-{hashlib.sha256(text).hexdigest()[:8]}"
    return PolicyFile(
        name=name, policy=Policy(policy_id=policy_id, **numbers), calibration_id=calibration_id, path=path
    )


def _number(card: Mapping[str, Any], name: str) -> float:
    """Raises KeyError, TypeError, ValueError. An infinite threshold would accept or reject everybody."""
    try:
        number = float(card[name])
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name} must be a number, got {card[name]!r}") from error
    least, most = NUMBERS[name]
    if not (math.isfinite(number) and least <= number <= most):
        raise ValueError(f"{name} must be finite and in {least:g}..{most:g}, got {number:g}")
    return number
