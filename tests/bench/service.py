"""What the wire costs: 16 callers over gRPC against 16 threads in process, and a lone Verify both ways."""

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from equivox import AsyncClient, Client
from svc.application import Application
from svc.audio.decode import decode_container
from svc.config import AudioConfig, EquivoxConfig, ProfileConfig
from svc.scoring.policy import policy_named
from tests.bench.clips import speech_clips, wav
from tests.bench.timing import Row, take_turns
from tests.e2e.server_process import server_process

NUM_CALLERS = 16
NUM_CLIPS = 64
NUM_TURNS = 7
NUM_LONE = 30


def measure() -> list[Row]:
    """The server is a process of its own; its caller shares the machine with it, as the in-process threads do."""
    with TemporaryDirectory() as folder, server_process(Path(folder)) as server:
        application = Application(EquivoxConfig(profiles=ProfileConfig(database=Path(folder) / "in_process.sqlite3")))
        files = [wav(clip) for clip in speech_clips(NUM_CLIPS)]
        contenders: dict[str, Callable[[], int]] = {
            "process": lambda: embed_in_process(application, files),
            "wire": lambda: asyncio.run(embed_over_wire(server.address, files)),
        }
        turns = take_turns(contenders, num_turns=NUM_TURNS)
        lone_process_s, lone_wire_s = lone_verify(application, server.address, files)
        application.close()
    return [
        Row(f"Embed in process, {NUM_CALLERS} threads", f"{turns.rate('process'):.1f} clips/s"),
        Row(f"Embed over gRPC, {NUM_CALLERS} callers", f"{turns.rate('wire'):.1f} clips/s"),
        Row("gRPC / in process", f"{turns.ratio('wire', 'process'):.0%}", ">= 85 %"),
        Row("lone Verify of two 3 s clips in process, p50", f"{1000 * lone_process_s:.0f} ms"),
        Row("lone Verify over gRPC, p50", f"{1000 * lone_wire_s:.0f} ms"),
        Row("gRPC / in process", f"{lone_wire_s / lone_process_s:.2f} x", "<= 1.25 x"),
    ]


def embed_in_process(application: Application, files: list[bytes]) -> int:
    """Decode, find speech, embed: what the server does for Embed, by as many threads as there are callers."""

    def embed(file: bytes) -> None:
        application.extractor.extract(decode_container(file, limits=AudioConfig()))

    with ThreadPoolExecutor(NUM_CALLERS) as pool:
        return len(list(pool.map(embed, files)))


async def embed_over_wire(address: str, files: list[bytes]) -> int:
    """The same through the published client."""
    waiting = list(files)

    async def caller(client: AsyncClient) -> None:
        while waiting:
            await client.embed(waiting.pop())

    async with AsyncClient(address) as client:
        await asyncio.gather(*(caller(client) for _ in range(NUM_CALLERS)))
    return len(files)


def lone_verify(application: Application, address: str, files: list[bytes]) -> tuple[float, float]:
    """Median seconds of a Verify in process and over the wire; they alternate, so that both see the same machine."""
    policy, limits = policy_named("balanced"), AudioConfig()
    process_s, wire_s = [], []
    with Client(address) as client:
        for enrolment, test in pairwise(files[: NUM_LONE + 1]):
            started_s = time.perf_counter()
            sides = [decode_container(side, limits=limits) for side in (enrolment, test)]
            application.verifier.verify(sides[0], sides[1], policy)
            between_s = time.perf_counter()
            client.verify(enrolment, test)
            process_s.append(between_s - started_s)
            wire_s.append(time.perf_counter() - between_s)
    return median(process_s), median(wire_s)
