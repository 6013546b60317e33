"""Word errors and latencies of our live transcriber beside its peers, all on the same conversations in one run.

    python -m training.benchmark_transcription --utterances utterances.jsonl --out FOLDER [--config FILE] [--json]

Conversations are those of training.data.conversation_sets: test talkers by domain and condition. Ours is the code that
serves, fed in pieces of 100 ms; the peers hear whole recordings, so their words come when these are over. What each
system heard is left in FOLDER for `equivox evaluate transcription` and training.transcription_results. The commands are
Arabic words with English names: ours was taught them, and no peer can know them.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path

from svc.application import Application
from svc.backends.whisper import MODEL_NAME, WhisperRecogniser
from svc.config import EquivoxConfig, load_settings
from svc.errors import InvalidRequestError
from svc.pipelines.live.transcription import StreamOptions
from svc.types import MODEL_RATE_HZ, FloatArray
from training.command_line import folder_to_write, mistakes_told
from training.data.conversation_sets import DOMAINS, Conversation, ConversationSet, add_set_options
from training.data.rendering import Sounds, render
from training.data.transcripts import Transcript, said_at
from training.data.utterances import Utterance, read_utterances
from training.grammar_recogniser import GrammarRecogniser
from training.tables import progress_over
from training.transcribing_systems import (
    TranscribingSystem,
    diarize_then_recognise,
    grammar_system,
    live_system,
    recognise_alone,
)
from training.transcription_results import Result, evaluated, markdown, write_results

REHEARD = "equivox-second-pass"
SYSTEMS = ("equivox", REHEARD, "diarization-whisper", "whisper", "pocketsphinx")
DEFAULT = tuple(name for name in SYSTEMS if name != REHEARD)
PATIENCE_S = 3600.0
STREAM = StreamOptions(sample_rate_hz=MODEL_RATE_HZ, partials=False)


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Recording:
    """One recording of the benchmark: (N,) samples at 16 kHz and what is said in it."""

    name: str
    domain: str
    samples: FloatArray
    reference: Transcript


@dataclass(slots=True)
class _Hearing:
    """What a system has heard so far, and how long it took."""

    heard: dict[str, Transcript] = field(default_factory=dict)
    took_s: float = 0.0

    def add(self, recording: Recording, system: TranscribingSystem) -> None:
        """One that is not live gives its words once it has heard everything."""
        began_s = time.perf_counter()
        heard = system.transcribe(recording.samples, recording.domain)
        took_s = time.perf_counter() - began_s
        whole_s = len(recording.samples) / MODEL_RATE_HZ
        self.heard[recording.name] = heard if system.live else said_at(heard, whole_s + took_s)
        self.took_s += took_s


def run(
    systems: Sequence[TranscribingSystem],
    recordings: Iterable[Recording],
    *,
    on_recording: Callable[[], None] = lambda: None,
) -> tuple[list[Result], dict[str, Transcript]]:
    """Every recording with every system, and the references. Recordings may be made as they are asked for."""
    hearings = {system.name: _Hearing() for system in systems}
    references: dict[str, Transcript] = {}
    audio_s = 0.0
    for recording in recordings:
        references[recording.name] = recording.reference
        audio_s += len(recording.samples) / MODEL_RATE_HZ
        for system in systems:
            hearings[system.name].add(recording, system)
        on_recording()
    results = [
        evaluated(references, hearing.heard, system=name, real_time_factor=hearing.took_s / audio_s)
        for name, hearing in hearings.items()
    ]
    return results, references


def rendered(conversations: Iterable[Conversation], sounds: Sounds) -> Iterator[Recording]:
    """Each conversation's audio, made when its turn comes."""
    for conversation in conversations:
        yield Recording(
            name=conversation.uri,
            domain=conversation.domain,
            samples=render(conversation.recipe, sounds, with_sources=False).samples,
            reference=conversation.reference,
        )


def make_systems(
    names: Sequence[str], application: Application, utterances: Sequence[Utterance]
) -> list[TranscribingSystem]:
    """Only those named are loaded. A grammar is made of the training talkers' texts of each domain."""

    def whisper() -> WhisperRecogniser:
        return WhisperRecogniser(application.store.path(MODEL_NAME))

    made: dict[str, Callable[[], TranscribingSystem]] = {
        "equivox": lambda: live_system("equivox", lambda: application.transcriber.open(STREAM)),
        REHEARD: lambda: live_system(REHEARD, lambda: application.transcriber.open(replace(STREAM, second_pass=True))),
        "diarization-whisper": lambda: diarize_then_recognise("diarization-whisper", application.diarizer, whisper()),
        "whisper": lambda: recognise_alone("whisper", whisper()),
        "pocketsphinx": lambda: grammar_system("pocketsphinx", grammars(utterances)),
    }
    return [made[name]() for name in names]


def grammars(utterances: Sequence[Utterance]) -> dict[str, GrammarRecogniser]:
    """Domain -> its recogniser; a domain whose words no dictionary can pronounce has none."""
    made = {}
    for domain in DOMAINS:
        texts = [found.text for found in utterances if (found.domain, found.split) == (domain, "train")]
        try:
            made[domain] = GrammarRecogniser(texts)
        except InvalidRequestError as error:
            print(f"{domain}: {error}", file=sys.stderr)
    return made


def main(arguments: Sequence[str] | None = None) -> None:
    options = _options().parse_args(arguments)
    with mistakes_told(), closing(Application(_config(options))) as application:
        utterances = read_utterances(options.utterances)
        made = ConversationSet(utterances, options.split, root=options.root, folder=options.cache)
        conversations = made.selected(options.domains, per_cell=options.per_cell)
        systems = make_systems(options.systems, application, utterances)
        with progress_over(len(conversations), "conversations") as on_recording:
            results, references = run(systems, rendered(conversations, made.sounds()), on_recording=on_recording)
        write_results(results, references, options.out)
    print(json.dumps([result.as_json() for result in results], indent=2) if options.json else markdown(results))


def _config(options: argparse.Namespace) -> EquivoxConfig:
    """Recognition waits for the voices, and no turn is given up on: what is heard is the same however busy we are."""
    config = load_settings(options.config)
    reheard = REHEARD in options.systems
    live = replace(config.transcription, voice_threads=0, second_pass=reheard, second_pass_patience_s=PATIENCE_S)
    return replace(config, transcription=live)


def _options() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_set_options(parser, split="test")
    parser.add_argument("--out", type=folder_to_write, required=True, help="folder for the report and all transcripts")
    parser.add_argument("--config", type=Path, help="the server's TOML configuration: models, transcriber")
    parser.add_argument("--systems", nargs="+", choices=SYSTEMS, default=DEFAULT)
    parser.add_argument("--json", action="store_true", help="rates as fractions, times in seconds")
    return parser


if __name__ == "__main__":
    main()
