"""How often a live stream knows who spoke if the separator and the turns are right: what attribution alone gets wrong.

    python -m training.benchmark_attribution --utterances utterances.jsonl [--per-cell 2] [--config FILE] [--json]

The conversations are those of training.data.conversation_sets, of the dev talkers unless told otherwise. In place of
the model stands the truth: the masks of the true sources, when which channel speaks, and the turns' tokens on time.
"""

import argparse
import json
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import ClassVar, Protocol

import numpy as np
from scipy.optimize import linear_sum_assignment

from svc.application import Application
from svc.audio.filterbank import Filterbank, FilterbankConfig
from svc.backends.protocols import Embedder, Emission, RecognisedChunk
from svc.config import load_settings
from svc.pipelines.identification import Identifier
from svc.pipelines.live.stream_opening import LiveParts, StreamOpener
from svc.pipelines.live.transcription import StreamOptions
from svc.pipelines.live.transcription_events import NOBODY_KNOWN
from svc.scoring.calibration import Calibration
from svc.types import MODEL_RATE_HZ, FloatArray
from svc.units import WORD_START, Units
from training.command_line import mistakes_told
from training.data.conversation_sets import ConversationSet, add_set_options
from training.data.rendering import Mixture, render
from training.data.targets import TargetConfig, channel_targets
from training.data.transcripts import TranscriptTurn
from training.data.utterances import read_utterances
from training.event_transcript import LiveStream, play
from training.metrics.additive import Additive
from training.metrics.transcription import matched_turns
from training.tables import markdown_table, progress_over

PIECE_S = 0.1
STRIDE = 4
# Every word is spelled by the one token there is: what is said decides nothing here.
WORD = Units((WORD_START + "word",))
LEAST_POWER = np.float32(1e-12)


class TrueSession:
    """A recogniser's session that knows the mixture it hears; its frames lag by nothing. Letters: T mels, M, C."""

    units = WORD
    frame_s = 0.04
    delay_s = 0.0

    def __init__(self, mixture: Mixture) -> None:
        filterbank = Filterbank(FilterbankConfig())
        mels = np.stack([filterbank(source) for source in mixture.sources])  # (C, T, M)
        power = np.exp(mels[:, : mels.shape[1] // STRIDE * STRIDE])
        self._masks = (power / (power.sum(axis=0) + LEAST_POWER)).astype(np.float32)
        self._targets = channel_targets(
            mixture.recipe, OneToken(), num_frames=power.shape[1] // STRIDE, config=TargetConfig()
        )
        self._num_frames = 0

    def recognise(self, mels: FloatArray) -> RecognisedChunk:
        """(4k, M), of which only the number counts."""
        first, past = self._num_frames, self._num_frames + len(mels) // STRIDE
        self._num_frames = past
        one, other = (self._emitted(channel, first, past) for channel in (0, 1))
        activity = np.stack([_rows(target.activity, first, past) for target in self._targets])
        masks = np.stack([_rows(mask, STRIDE * first, STRIDE * past) for mask in self._masks])
        return RecognisedChunk(
            first_frame=first, emissions=(one, other), partial=((), ()), activity=activity, masks=masks
        )

    def tell(self, channel: int, voice: FloatArray | None) -> None:
        """Knows better."""

    def finish(self) -> RecognisedChunk:
        """One frame more, of silence."""
        return self.recognise(np.zeros((STRIDE, self._masks.shape[2]), np.float32))

    def close(self) -> None: ...

    def _emitted(self, channel: int, first: int, past: int) -> tuple[Emission, ...]:
        target = self._targets[channel]
        due = (target.frames >= first) & (target.frames < past)
        pairs = zip(target.tokens[due].tolist(), target.frames[due].tolist(), strict=True)
        return tuple(Emission(token, frame) for token, frame in pairs)


class AttributionParts(Protocol):
    """What of the application attribution needs."""

    @property
    def embedder(self) -> Embedder: ...

    @property
    def calibration(self) -> Calibration: ...

    @property
    def identifier(self) -> Identifier: ...


class OneToken:
    """Spells every word alike."""

    def encode(self, word: str) -> list[int]:
        return [WORD.ids()[WORD_START + "word"]]


def _rows(of: FloatArray, first: int, past: int) -> FloatArray:
    """Rows `first` to `past`, zeros where there are none any more."""
    rows = of[first:past]
    return np.concatenate([rows, np.zeros((past - first - len(rows), *of.shape[1:]), np.float32)])


@dataclass(frozen=True, slots=True, kw_only=True)
class Attribution(Additive):
    """How many turns got which label; a label is right when it is the one that its speaker's turns mostly have."""

    zero: ClassVar["Attribution"]

    right: int = 0
    wrong: int = 0
    unknown: int = 0
    missed: int = 0  # no turn was told of there

    @property
    def turns(self) -> int:
        return self.right + self.wrong + self.unknown + self.missed

    def share(self, count: int) -> float | None:
        return count / self.turns if self.turns else None


Attribution.zero = Attribution()


def attribution_of(reference: Sequence[TranscriptTurn], found: Sequence[TranscriptTurn]) -> Attribution:
    """One conversation's. Labels stand for speakers one to one, so that the most turns are right."""
    pairs = [
        (true.speaker, heard.speaker)
        for channel in (0, 1)
        for true, heard in matched_turns(_on(reference, channel), _on(found, channel))
    ]
    known = [pair for pair in pairs if pair[1] != NOBODY_KNOWN.label]
    speakers, labels = (sorted(set(column)) for column in (zip(*known, strict=True) if known else ((), ())))
    counts = np.array([[known.count((speaker, label)) for label in labels] for speaker in speakers])
    right = int(counts[linear_sum_assignment(counts, maximize=True)].sum()) if known else 0
    return Attribution(
        right=right,
        wrong=len(known) - right,
        unknown=len(pairs) - len(known),
        missed=len(reference) - len(pairs),
    )


def _on(turns: Sequence[TranscriptTurn], channel: int) -> list[TranscriptTurn]:
    return [turn for turn in turns if turn.channel == channel]


def true_stream(application: AttributionParts, mixture: Mixture) -> LiveStream:
    """A live stream as the service opens it, over the truth."""
    parts = LiveParts(
        open_session=lambda: TrueSession(mixture),
        fingerprint="truth",
        algorithmic_latency_s=0.0,
        embedder=application.embedder,
        calibration=application.calibration,
        identifier=application.identifier,
    )
    return StreamOpener(parts).open(StreamOptions(sample_rate_hz=MODEL_RATE_HZ, partials=False))


def measure(
    application: AttributionParts, made: ConversationSet, domains: Iterable[str], *, per_cell: int | None
) -> dict[str, Attribution]:
    """ "domain, condition" -> its turns."""
    conversations = made.selected(domains, per_cell=per_cell)
    sounds, attributed = made.sounds(), dict[str, Attribution]()
    with progress_over(len(conversations), "conversations") as on_recording:
        for conversation in conversations:
            mixture = render(conversation.recipe, sounds)
            heard = play(true_stream(application, mixture), mixture.samples, piece_s=PIECE_S)
            cell = f"{conversation.domain}, {conversation.condition}"
            attributed[cell] = attributed.get(cell, Attribution.zero) + attribution_of(conversation.reference, heard)
            on_recording()
    return attributed


def markdown(attributed: Mapping[str, Attribution]) -> str:
    """A row a cell, and one of all; in percent of the turns."""
    rows = {**attributed, "all": sum(attributed.values(), Attribution.zero)}
    lines = []
    for name, counts in rows.items():
        shares = (counts.share(count) for count in (counts.right, counts.wrong, counts.unknown, counts.missed))
        cells = ("-" if share is None else f"{100 * share:.1f}" for share in shares)
        lines.append((name, str(counts.turns), *cells))
    return markdown_table(("turns of", "number", "right %", "wrong %", "UNKNOWN %", "missed %"), lines)


def main(arguments: Sequence[str] | None = None) -> None:
    options = _options().parse_args(arguments)
    with mistakes_told(), closing(Application(load_settings(options.config))) as application:
        utterances = read_utterances(options.utterances)
        made = ConversationSet(utterances, options.split, root=options.root, folder=options.cache)
        attributed = measure(application, made, options.domains, per_cell=options.per_cell)
    counts = {cell: asdict(each) for cell, each in attributed.items()}
    print(json.dumps(counts, indent=2) if options.json else markdown(attributed))


def _options() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_set_options(parser, split="dev")
    parser.add_argument("--config", type=Path, help="the server's TOML configuration: embedder, calibration")
    parser.add_argument("--json", action="store_true", help="counts")
    return parser


if __name__ == "__main__":
    main()
