"""The real server on a free port, around the tiny models."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import grpc
import pytest

from svc.config import AudioConfig, ServerConfig, TranscriptionConfig
from svc.rpc.server import Server
from svc.rpc.telemetry import Metrics
from tests.rpc.tiny_application import LIMITS, TinyApplication, tiny_config


@asynccontextmanager
async def tiny_server(
    folder: Path,
    *,
    audio: AudioConfig = LIMITS,
    server: ServerConfig,
    transcription: TranscriptionConfig | None = None,
) -> AsyncIterator[Server]:
    """Ready; drained at the end."""
    metrics = Metrics()
    config = tiny_config(folder, audio=audio, server=server, transcription=transcription)
    application = TinyApplication(config, on_batch=metrics.on_batch)
    running = Server(application, metrics)
    try:
        await running.start()
        await running.warm_up()
        yield running
    finally:
        await running.drain()
        application.close()


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Server]:
    async with tiny_server(tmp_path, server=ServerConfig(address="127.0.0.1:0", drain_s=5.0)) as running:
        yield running


@pytest.fixture
async def channel(server: Server) -> AsyncIterator[grpc.aio.Channel]:
    async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as opened:
        yield opened
