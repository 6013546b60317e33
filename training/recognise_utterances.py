"""Word errors of every held-out utterance, each talker alone: `python -m training.recognise_utterances ..`.

    python -m training.recognise_utterances --utterances utterances.jsonl --split test --split dev \\
        --domains phrases telephone --artifact svc/artifacts/transcriber-english --out errors.jsonl

A talker's utterances of one session are joined, with pauses between, into recordings of some ten seconds: turn tokens
need turns. The code that serves hears them, several streams at once as a busy server does; only who speaks is not
asked. A second run goes on where the first one ended.
"""

import argparse
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path

import numpy as np

from svc.application import Application, live_config
from svc.config import load_settings
from svc.errors import InvalidRequestError
from svc.pipelines.live.transcription import SilentFollower, StreamOptions, TranscriptionStream
from svc.types import MODEL_RATE_HZ, FloatArray
from training.command_line import add_folders, file_to_write, from_zero, mistakes_told
from training.data.manifest import read_manifest
from training.data.rendering import SpeechReader
from training.data.speech_store import SpeechStore
from training.data.transcripts import Transcript, TranscriptTurn, spread_words
from training.data.utterances import Utterance, read_utterances
from training.evaluate_transcription import as_spoken
from training.event_transcript import LiveStream, play
from training.metrics.transcription import WordErrors
from training.tables import progress_over
from training.utterance_errors import UtteranceErrors, append_errors, errors_by_turn, read_errors

RECORDING_S = 10.0
PAUSE_S = 0.6
# How audio comes from a line; larger pieces change nothing but the cost.
PIECE_S = 0.48
STREAMS = 12
STREAM = StreamOptions(sample_rate_hz=MODEL_RATE_HZ, partials=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class TalkerRecording:
    """Utterances of one talker, one domain and one session, in order, with pauses before, between and after."""

    utterances: tuple[Utterance, ...]

    @property
    def name(self) -> str:
        """By the first utterance; the others follow from it."""
        return self.utterances[0].utterance_id

    @property
    def starts_s(self) -> list[float]:
        """Of each utterance within the recording."""
        ends = np.cumsum([0.0, *(PAUSE_S + spoken.duration_s for spoken in self.utterances)])
        return [float(end_s) + PAUSE_S for end_s in ends[:-1]]

    @property
    def duration_s(self) -> float:
        return sum(PAUSE_S + spoken.duration_s for spoken in self.utterances) + PAUSE_S

    @property
    def reference(self) -> Transcript:
        """A turn for each utterance."""
        return tuple(
            TranscriptTurn(
                speaker=spoken.speaker,
                channel=0,
                start_s=start_s,
                end_s=start_s + spoken.duration_s,
                words=spread_words([word.text for word in spoken.words], start_s, start_s + spoken.duration_s),
            )
            for start_s, spoken in zip(self.starts_s, self.utterances, strict=True)
        )

    def samples(self, speech: SpeechReader) -> FloatArray:
        """(N,) at 16 kHz."""
        sound = np.zeros(round(self.duration_s * MODEL_RATE_HZ), np.float32)
        for start_s, spoken in zip(self.starts_s, self.utterances, strict=True):
            cut = speech.read(spoken.utterance_id, 0.0, spoken.duration_s)
            first = round(start_s * MODEL_RATE_HZ)
            sound[first : first + len(cut)] = cut[: len(sound) - first]
        return sound


def recordings_of(
    utterances: Iterable[Utterance], session_of: Mapping[str, str], *, most_s: float | None = None, seed: int = 0
) -> list[TalkerRecording]:
    """All utterances, joined up to RECORDING_S; `session_of`: path -> session.

    `most_s`: of each talker and domain so much speech, of recordings drawn by the seed; never less than a recording.
    """

    def place(spoken: Utterance) -> tuple[str, str, str]:
        return spoken.speaker, spoken.domain, session_of.get(spoken.path, "")

    ordered = sorted(utterances, key=lambda spoken: (*place(spoken), spoken.path, spoken.start_s))
    joined = [recording for _, group in groupby(ordered, key=place) for recording in _joined(group)]
    if most_s is None:
        return joined
    by_talker = groupby(joined, key=lambda recording: place(recording.utterances[0])[:2])
    random = np.random.default_rng(seed)
    return [kept for _, group in by_talker for kept in _drawn([*group], most_s, random)]


def recognise(
    recordings: Sequence[TalkerRecording],
    speech: SpeechReader,
    open_stream: Callable[[], LiveStream],
    *,
    transcriber: str,
    streams: int = STREAMS,
) -> Iterator[list[UtteranceErrors]]:
    """The errors of each recording, in their order, so many heard at once."""

    def heard(recording: TalkerRecording) -> list[UtteranceErrors]:
        transcript = play(open_stream(), recording.samples(speech), piece_s=PIECE_S)
        counts = errors_by_turn(as_spoken(recording.reference), as_spoken(transcript))
        return [
            UtteranceErrors(
                utterance_id=spoken.utterance_id,
                speaker=spoken.speaker,
                domain=spoken.domain,
                recording=recording.name,
                duration_s=spoken.duration_s,
                transcriber=transcriber,
                errors=errors,
            )
            for spoken, errors in zip(recording.utterances, counts, strict=True)
        ]

    with ThreadPoolExecutor(streams) as pool:
        yield from pool.map(heard, recordings)


def add_speech_options(parser: argparse.ArgumentParser) -> None:
    """Which talkers are heard, and how much of each."""
    parser.add_argument("--utterances", type=Path, required=True, help="utterances.jsonl of training.data.align")
    parser.add_argument("--split", action="append", help="of the talkers, may be given twice; default test")
    parser.add_argument("--domains", nargs="+", help="such as phrases, telephone; default all")
    parser.add_argument(
        "--most-s",
        type=float,
        help="seconds of each talker and domain at most, drawn by --seed from all talkers asked for",
    )
    parser.add_argument("--seed", type=from_zero, default=0)
    add_folders(parser)


def material(options: argparse.Namespace) -> tuple[list[TalkerRecording], SpeechStore]:
    """What the options of add_speech_options ask for. Raises InvalidRequestError."""
    chosen = _chosen(read_utterances(options.utterances), options.split or ["test"], options.domains or ())
    session_of = {clip.path: clip.session for clip in read_manifest(options.root / "manifest.csv")}
    recordings = recordings_of(chosen, session_of, most_s=options.most_s, seed=options.seed)
    return recordings, SpeechStore.open(chosen, root=options.root, folder=options.cache)


def _chosen(everything: Sequence[Utterance], splits: Sequence[str], domains: Sequence[str]) -> list[Utterance]:
    of_splits = [spoken for spoken in everything if spoken.split in splits]
    chosen = [spoken for spoken in of_splits if not domains or spoken.domain in domains]
    if not of_splits:
        there = ", ".join(sorted({spoken.split for spoken in everything}))
        raise InvalidRequestError(f"no utterance is of {', '.join(splits)}; there are {there}", field="split")
    if not chosen:
        there = ", ".join(sorted({spoken.domain for spoken in of_splits}))
        message = f"no utterance of {', '.join(domains)} in {', '.join(splits)}; there are {there}"
        raise InvalidRequestError(message, field="domains")
    return chosen


def main(arguments: Sequence[str] | None = None) -> None:
    options = _options().parse_args(arguments)
    with mistakes_told():
        config = load_settings(options.config)
        if options.artifact:
            config = replace(config, transcription=replace(config.transcription, artifact=options.artifact))
        with closing(Application(config)) as application:
            _recognise_all(options, application)


def _recognise_all(options: argparse.Namespace, application: Application) -> None:
    batcher = application.stream_batcher
    turns = live_config(application.config.transcription).turns
    recordings, speech = material(options)
    done = _done(options.out, batcher.recogniser.fingerprint)
    waiting = [recording for recording in recordings if recording.name not in done]

    def open_stream() -> TranscriptionStream:
        return TranscriptionStream(batcher.open(), SilentFollower(), options=STREAM, turns=turns)

    heard = recognise(waiting, speech, open_stream, transcriber=batcher.recogniser.fingerprint)
    with progress_over(len(waiting), "recordings") as on_recording:
        for errors in heard:
            append_errors(options.out, errors)
            on_recording()
    print(_summary(read_errors(options.out)))


def _done(out: Path, fingerprint: str) -> set[str]:
    """Names of the recordings that were heard before. Raises InvalidRequestError if another model heard them."""
    found = read_errors(out) if out.is_file() else []
    if found and found[0].transcriber != fingerprint:
        raise InvalidRequestError(f"{out} is of the model {found[0].transcriber}, this is {fingerprint}", field="out")
    return {one.recording for one in found}


def _summary(errors: Sequence[UtteranceErrors]) -> str:
    """A line a domain."""
    lines = []
    for domain in sorted({one.domain for one in errors}):
        of_domain = [one for one in errors if one.domain == domain]
        counts = sum((one.errors for one in of_domain), WordErrors.zero)
        talkers = len({one.speaker for one in of_domain})
        lines.append(f"{domain}: WER {100 * counts.rate:.1f} %, {counts.words} words, {talkers} talkers")
    return "\n".join(lines)


def _joined(spoken: Iterable[Utterance]) -> Iterator[TalkerRecording]:
    gathered: list[Utterance] = []
    for utterance in spoken:
        if gathered and sum(each.duration_s for each in gathered) + utterance.duration_s > RECORDING_S:
            yield TalkerRecording(utterances=tuple(gathered))
            gathered = []
        gathered.append(utterance)
    if gathered:
        yield TalkerRecording(utterances=tuple(gathered))


def _drawn(
    recordings: Sequence[TalkerRecording], most_s: float, random: np.random.Generator
) -> Iterator[TalkerRecording]:
    """Of one talker, in random order, until there is enough."""
    total_s = 0.0
    for number in random.permutation(len(recordings)):
        if total_s and total_s + recordings[number].duration_s > most_s:
            return
        total_s += recordings[number].duration_s
        yield recordings[number]


def _options() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_speech_options(parser)
    parser.add_argument("--out", type=file_to_write, required=True, help="file of errors, added to where it exists")
    parser.add_argument("--artifact", type=Path, help="folder of training.export_transcriber; default the shipped one")
    parser.add_argument("--config", type=Path, help="the server's TOML configuration")
    return parser


if __name__ == "__main__":
    main()
