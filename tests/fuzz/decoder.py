"""Fuzzes the decoder with atheris: python -m tests.fuzz.decoder --runs 100000 [--corpus FOLDER]

Whatever the bytes, the answer is a waveform within the limits or a named error. Inputs start from whole files of every
container; odd ones are read as bare samples instead.
"""

import argparse
import random
import sys
import tempfile
from collections import Counter
from pathlib import Path

import atheris
import numpy as np

from svc.config import AudioConfig
from svc.errors import ServiceError
from svc.types import Waveform
from tests.audio.containers import WHOLE_FORMATS, encoded, silent_opus, tone, with_true_checksums

# libsndfile cannot be instrumented from here: coverage guides over our own code, mutation does the rest.
with atheris.instrument_imports(include=["equivox_files", "svc.audio"]):
    from equivox_files.containers import container_of
    from svc.audio.decode import PcmEncoding, decode_container, decode_pcm

LIMITS = AudioConfig(max_bytes=1 << 20, max_duration_s=5.0)
ENCODINGS = list(PcmEncoding)
MAX_INPUT_BYTES = 16_384
MAX_OVERWRITTEN_BYTES = 6
HEADER_BYTES = 128
SECONDS_PER_INPUT = 10
MAX_MEGABYTES = 1024
REPORT_EVERY = 10_000


class Decoder:
    """Decodes one input after the other and counts how each ended."""

    def __init__(self) -> None:
        self.outcomes: Counter[str] = Counter()

    def run(self, data: bytes) -> None:
        """The first byte chooses the way in, so that mutation reaches all of them. Raises what would be a bug."""
        choice, content = (data[0], data[1:]) if data else (0, b"")
        try:
            waveform = as_pcm(content, choice) if choice & 1 else as_container(content, choice)
        except ServiceError as error:
            self.outcomes[error.reason] += 1
        else:
            check(waveform)
            self.outcomes["pcm decoded" if choice & 1 else f"{container_of(content).value} decoded"] += 1
        if self.outcomes.total() % REPORT_EVERY == 0:
            # libFuzzer ends the process without a word to Python: report on the way.
            print(self.outcomes.total(), dict(self.outcomes.most_common(16)), flush=True)


def as_container(content: bytes, choice: int) -> Waveform:
    declared_rate_hz = 16_000 if choice & 4 else None
    channel = choice >> 4 if choice & 2 else None
    return decode_container(content, declared_rate_hz=declared_rate_hz, channel=channel, limits=LIMITS)


def as_pcm(content: bytes, choice: int) -> Waveform:
    return decode_pcm(
        content,
        encoding=ENCODINGS[choice >> 1 & 3],
        sample_rate_hz=8_000,
        num_channels=choice >> 3 & 3,
        channel=choice >> 5,
        limits=LIMITS,
    )


def check(waveform: Waveform) -> None:
    if not np.isfinite(waveform.samples).all():
        raise RuntimeError("samples that are no numbers")
    if waveform.samples.dtype != np.float32 or waveform.samples.ndim != 1 or len(waveform.samples) == 0:
        raise RuntimeError(f"not one channel of float32: {waveform.samples.dtype} {waveform.samples.shape}")
    if waveform.duration_s > LIMITS.max_duration_s or not 8_000 <= waveform.sample_rate_hz <= 48_000:
        raise RuntimeError(f"outside the limits: {waveform.duration_s} s at {waveform.sample_rate_hz} Hz")


def mutate(data: bytes, max_bytes: int, seed: int) -> bytes:
    """Half the time libFuzzer's mutation, else bytes overwritten in place: an input whose length no longer fits its
    headers is refused before it is decoded. With true checksums, or no damage would get past those of OGG."""
    mutated: bytes = atheris.Mutate(data, max_bytes) if seed % 2 else overwritten(data, random.Random(seed))
    return with_true_checksums(mutated)


def overwritten(data: bytes, rng: random.Random) -> bytes:
    damaged = bytearray(data)
    for _ in range(rng.randint(1, MAX_OVERWRITTEN_BYTES) if damaged else 0):
        # Headers are where damage tells.
        end = len(damaged) if rng.random() < 0.7 else min(len(damaged), HEADER_BYTES)
        damaged[rng.randrange(end)] = rng.choice([0, 1, 0x7F, 0x80, 0xFF, rng.randrange(256)])
    return bytes(damaged)


def seeds() -> list[bytes]:
    """A short file in every container, mono and stereo, each behind the byte that chooses to decode it."""
    files = [
        bytes([2 * (channels - 1)]) + encoded(tone(2_000, num_channels=channels), container=container, codec=codec)
        for container, codec, _ in WHOLE_FORMATS
        for channels in (1, 2)
    ]
    return [*files, b"\0" + silent_opus(1), b"\1" + bytes(400)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--runs", type=int, default=100_000)
    parser.add_argument("--corpus", type=Path, help="keep found inputs here")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        corpus = arguments.corpus or Path(scratch)
        corpus.mkdir(parents=True, exist_ok=True)
        for number, seed in enumerate(seeds()):
            (corpus / f"seed{number:02}").write_bytes(seed)
        options = [
            f"-runs={arguments.runs}",
            f"-max_len={MAX_INPUT_BYTES}",
            "-len_control=0",  # else it starts with inputs shorter than any header
            f"-timeout={SECONDS_PER_INPUT}",
            f"-rss_limit_mb={MAX_MEGABYTES}",
            "-reduce_inputs=0",  # coverage does not see libsndfile: reduced inputs no longer reach it
            "-close_fd_mask=2",  # libmpg123 complains to stderr about every broken frame
        ]
        atheris.Setup([sys.argv[0], *options, str(corpus)], Decoder().run, custom_mutator=mutate)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
