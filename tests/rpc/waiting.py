"""Waiting for what other tasks and threads bring about."""

import asyncio
from collections.abc import Callable

import pytest


async def until(condition: Callable[[], bool]) -> None:
    for _ in range(1000):
        if condition():
            return
        await asyncio.sleep(0.005)
    pytest.fail("the condition never came true")
