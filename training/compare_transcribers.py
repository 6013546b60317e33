"""Word errors of transcribers on dev talkers, each heard alone, by domain, and how each differs from the first.

    python -m training.compare_transcribers svc/artifacts/transcriber-english runs/repaired/artifact \\
        --utterances U --units F --domains digits phrases --ways

Whole utterances go through the recogniser and are decoded as served. With --ways each comes ten times, at five speeds,
plain and in the telephone band: the same talkers, but chance in the recogniser counts for less. It serves to choose
between artifacts; what a chosen one is worth, training.benchmark_transcription says on test talkers.
"""

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from itertools import product
from pathlib import Path

import numpy as np

from svc.backends.transcriber_artifact import TranscriberArtifact, load_transcriber
from svc.errors import InvalidRequestError
from training.command_line import add_folders, mistakes_told
from training.data.manifest import DEV
from training.data.utterances import Utterance
from training.fairness.cohorts.speaker_errors import SpeakerErrors
from training.figure_text import bold_where_sure, figure_text
from training.heard_alone import hear_alone, spoken_alone
from training.metrics.bootstrap import FEW_UNITS, Figure
from training.metrics.resampling import rate_figure, ratio_figure
from training.tables import markdown_table, progress_over
from training.train_transcriber import flush_denormals
from training.transcriber_data import DataPaths, TranscriberData, add_speech

AS_SPOKEN = (spoken_alone,)
SPEEDS = (0.85, 0.92, 1.0, 1.08, 1.15)
WAYS = tuple(
    partial(spoken_alone, speed=speed, telephone=telephone) for speed, telephone in product(SPEEDS, (False, True))
)
HEADER = ("domain", "talkers", "words", "artifact", "errors", "WER %", "against the first, points")


def heard(
    artifact: TranscriberArtifact, said: Sequence[Utterance], data: TranscriberData, *, in_ways: bool
) -> SpeakerErrors:
    """Of all ways together. Raises InvalidRequestError when the artifact spells words with other units."""
    if artifact.units != data.units.units:
        raise InvalidRequestError("the artifact was trained with other units: name its own", field="units")
    ways = WAYS if in_ways else AS_SPOKEN
    with progress_over(len(ways) * len(said), "dev utterances") as tick:
        found = [
            hear_alone(
                artifact.model,
                said,
                data.sounds,
                data.units,
                placed=way,
                turn_tokens=artifact.turn_tokens,
                tick=tick,
            )
            for way in ways
        ]
    return replace(
        found[0],
        errors=np.sum([one.errors for one in found], axis=0),
        words=np.sum([one.words for one in found], axis=0),
    )


def rows_of(names: Sequence[str], systems: Sequence[SpeakerErrors]) -> Iterator[tuple[str, ...]]:
    """By domain and system; the talkers drawn for one are those drawn for all."""
    first = systems[0]
    for column, domain in enumerate(first.domains):
        spoke = first.words[:, column] > 0  # (S,)
        words, before = first.words[spoke, column], first.errors[spoke, column]
        for name, system in zip(names, systems, strict=True):
            errors = system.errors[spoke, column]
            change = _of_enough(ratio_figure(errors - before, words), len(words))
            told = "" if system is first else bold_where_sure(figure_text(change, sign="+"), change)
            counts = (domain, str(spoke.sum()), f"{words.sum():.0f}", name, f"{errors.sum():.0f}")
            yield *counts, figure_text(_of_enough(rate_figure(errors, words), len(words))), told


def _of_enough(figure: Figure, n_talkers: int) -> Figure:
    """Without its interval where talkers are few: of six it left out zero once in six studies of nothing."""
    return figure if n_talkers >= FEW_UNITS else replace(figure, ci95=None)


def parsed(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "artifacts", type=Path, nargs="+", help="made by training.export_transcriber; of one vocabulary"
    )
    add_speech(parser)
    parser.add_argument("--domains", nargs="+", default=None, help="only these (default: all there are)")
    parser.add_argument("--ways", action="store_true", help="each utterance ten times: five speeds, two bands")
    add_folders(parser)
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> None:
    with mistakes_told():
        options = parsed(arguments)
        flush_denormals()
        artifacts = [load_transcriber(path) for path in options.artifacts]
        data = TranscriberData.open(DataPaths.of(options), seed=0, workers=0)
        said = said_in(data.utterances[DEV], options.domains)
        systems = [heard(artifact, said, data, in_ways=options.ways) for artifact in artifacts]
        print(markdown_table(HEADER, rows_of([path.name for path in options.artifacts], systems)))


def said_in(utterances: Sequence[Utterance], domains: Sequence[str] | None) -> list[Utterance]:
    """Raises InvalidRequestError naming the domains there are when one asked for is not among them."""
    there = sorted({utterance.domain for utterance in utterances})
    if domains and (unknown := set(domains) - set(there)):
        raise InvalidRequestError(
            f"no dev talker speaks in {', '.join(unknown)}, only {', '.join(there)}", field="domains"
        )
    return [utterance for utterance in utterances if not domains or utterance.domain in domains]


if __name__ == "__main__":
    main()
