"""The values of a generated enum by the names that its counterparts in Python bear."""

from typing import Any


def numbers_by_name(contract: Any) -> dict[str, int]:  # noqa: ANN401 - a generated enum
    """BAND_WIDE as WIDE; without UNSPECIFIED, which is never sent."""
    prefix = contract.Name(0).removesuffix("UNSPECIFIED")
    return {name.removeprefix(prefix): number for name, number in contract.items() if number != 0}
