"""What each encoder costs: parameters, operations, memory of a stream and time on this CPU, before any training.

    python -m training.compare_encoders training/configs/encoders/*-3m.toml

Prints a Markdown table, the weights being random. One thread; several streams step together, as they are served. An
encoder that skips work is timed with all its gates open and with all of them shut; training settles in between.
"""

import argparse
import statistics
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from svc.audio.filterbank import FilterbankConfig
from svc.models.amortised_transformer import Arbitrator
from svc.models.encoder import FRAMES_PER_S, Encoder, state_bytes
from svc.models.encoders import EncoderConfig, build_encoder
from svc.models.separator import NUM_CHANNELS
from svc.typed_config import load_config
from training.command_line import mistakes_told, positive
from training.tables import markdown_table

NUM_MELS = FilterbankConfig().num_mels
STEP_FRAMES, WARM_STEPS, TIMED_STEPS = 8, 20, 30
TIMED_FRAMES = STEP_FRAMES * (WARM_STEPS + TIMED_STEPS)
HEADER = ("encoder", "parameters M", "MFLOP / s", "state KB", "CPU s / s of audio")


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """Of one channel of audio."""

    name: str
    num_parameters: int
    flops_per_s: int
    state_bytes: int
    cpu_factor: float  # CPU seconds for a second of audio

    @property
    def row(self) -> tuple[str, ...]:
        return (
            self.name,
            f"{self.num_parameters / 1e6:.2f}",
            f"{self.flops_per_s / 1e6:.0f}",
            f"{self.state_bytes / 1e3:.0f}",
            f"{self.cpu_factor:.4f}",
        )


def costs_of(path: Path, *, num_streams: int) -> Iterator[Cost]:
    """One, or of an encoder that skips work two: with every gate open and with every gate shut.

    Raises ValueError naming the file and the key at fault.
    """
    config = load_config(EncoderConfig, path)
    torch.manual_seed(0)
    encoder = build_encoder(config, NUM_MELS).eval()
    gates = [module for module in encoder.modules() if isinstance(module, Arbitrator)]
    for name, is_open in ((", open", True), (", shut", False)) if gates else (("", True),):
        for gate in gates:
            gate.fix(is_open)
        yield Cost(
            name=path.stem + name,
            num_parameters=sum(parameter.numel() for parameter in encoder.parameters()),
            flops_per_s=encoder.flops_per_s if is_open else encoder.least_flops_per_s,
            state_bytes=state_bytes(encoder.open_stream(1)),
            cpu_factor=cpu_factor(encoder, noise(num_streams)),
        )


def noise(num_streams: int) -> Tensor:
    """(N, T, M) as loud as speech, as long as it takes to time."""
    return 4 * torch.randn(NUM_CHANNELS * num_streams, TIMED_FRAMES, NUM_MELS) - 7


@torch.inference_mode()
def cpu_factor(encoder: Encoder, mels: Tensor) -> float:
    """(N, T, M) of live streams, two channels each, at least TIMED_FRAMES long -> CPU seconds for a second of one
    channel's audio: the median over steps past the start.
    """
    streams = [encoder.open_stream(NUM_CHANNELS) for _ in range(len(mels) // NUM_CHANNELS)]
    seconds = []
    for step in torch.split(mels[:, :TIMED_FRAMES], STEP_FRAMES, dim=1):
        started_s = time.process_time()
        _, streams = encoder.step_streams(step, streams)
        seconds.append(time.process_time() - started_s)
    return statistics.median(seconds[WARM_STEPS:]) / (STEP_FRAMES / FRAMES_PER_S) / len(mels)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("encoders", type=Path, nargs="+", help="files as those in training/configs/encoders")
    parser.add_argument("--streams", type=positive, default=8, help="that step together")
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    with mistakes_told():
        costs = [cost for path in chosen.encoders for cost in costs_of(path, num_streams=chosen.streams)]
        print(markdown_table(HEADER, [cost.row for cost in costs]))


if __name__ == "__main__":
    main()
