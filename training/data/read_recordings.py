"""Recordings as utterances: what each corpus is, what came of reading one, and the journal of what was read."""

import json
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from svc.audio.resample import resample
from svc.errors import InvalidRequestError
from training.data.audio_files import load_waveform
from training.data.corpus_readings import (
    Aligner,
    Reader,
    Reading,
    read_as_given,
    read_isolated,
    read_number,
    read_paragraph,
    read_untranscribed,
)
from training.data.manifest import SPLITS, TRAIN, Clip, read_manifest
from training.data.spoken_text import spelled_digits, spoken_words
from training.data.utterances import Utterance, line_of, utterance_of

VERSION = 3
"""Counts changes of how recordings are read: what another version did is done anew."""
VERSIONS = {"alphanum": 4}
"""Of corpora whose own reader has changed since."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Corpus:
    """What domain a corpus speaks for, how it is read, and the splits its labels are fit for.

    `recorded_of` gives the words of a text whose times are recorded for the talkers who judge; else none are.
    """

    domain: str
    reader: Reader
    splits: tuple[str, ...] = SPLITS
    recorded_of: Callable[[str], list[str]] | None = None


CORPORA = {
    "fsdd": Corpus(domain="digits", reader=read_isolated),
    # The words are Arabic: their text is the English gloss.
    "arabiccmd": Corpus(domain="commands", reader=read_isolated),
    "azdigits": Corpus(domain="azdigits", reader=read_isolated),
    "wuw": Corpus(domain="telephone", reader=read_as_given, recorded_of=spoken_words),
    "saa": Corpus(domain="phrases", reader=read_paragraph, recorded_of=spoken_words),
    "alphanum": Corpus(domain="digits", reader=read_number, recorded_of=spelled_digits),
    # Pseudo-labels of a model are no reference to be judged by.
    "libri": Corpus(domain="read", reader=read_untranscribed, splits=(TRAIN,)),
    "librispeech": Corpus(domain="read", reader=read_paragraph),
}


def version_of(corpus: str) -> int:
    return VERSIONS.get(corpus, VERSION)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """A recording that was read."""

    path: str
    corpus: str
    reasons: tuple[str, ...]
    utterances: tuple[Utterance, ...]

    def line(self) -> str:
        kept = [json.loads(line_of(utterance)) for utterance in self.utterances]
        return json.dumps(
            {
                "version": version_of(self.corpus),
                "path": self.path,
                "corpus": self.corpus,
                "reasons": self.reasons,
                "utterances": kept,
            },
            ensure_ascii=False,
        )


def read_recording(clip: Clip, root: Path, aligner: Aligner) -> Outcome:
    """Raises a ServiceError when the recording cannot be decoded."""
    samples = resample(load_waveform(root / clip.path)).samples
    return outcome_of(clip, CORPORA[clip.corpus].reader(clip, samples, aligner))


def outcome_of(clip: Clip, reading: Reading) -> Outcome:
    """What came of reading a clip of one of the corpora."""
    utterances = utterances_of(clip, reading, domain=CORPORA[clip.corpus].domain)
    return Outcome(path=clip.path, corpus=clip.corpus, reasons=reading.reasons, utterances=utterances)


def utterances_of(clip: Clip, reading: Reading, *, domain: str) -> tuple[Utterance, ...]:
    """Of a recording, its phrases."""
    return tuple(
        Utterance(
            utterance_id=f"{Path(clip.path).with_suffix('')}#{number}",
            path=clip.path,
            start_s=phrase.span.start_s,
            end_s=min(phrase.span.end_s, clip.duration_s),
            speaker=clip.speaker,
            sex=clip.sex,
            domain=domain,
            split=clip.split,
            words=phrase.words,
        )
        for number, phrase in enumerate(reading.phrases)
    )


def outcomes_of(journal: Path) -> dict[str, Outcome]:
    """What earlier runs of this version did, by path. A last line that was broken off is not counted."""
    done = {}
    for line in journal.read_text(encoding="utf-8").splitlines() if journal.is_file() else ():
        try:
            fields = json.loads(line)
        except ValueError:
            continue
        if fields["version"] == version_of(fields["corpus"]):
            kept = tuple(utterance_of(json.dumps(kept), str(journal)) for kept in fields["utterances"])
            done[fields["path"]] = Outcome(
                path=fields["path"], corpus=fields["corpus"], reasons=tuple(fields["reasons"]), utterances=kept
            )
    return done


def clips_to_read(root: Path, corpora: Sequence[str], limit: int | None) -> list[Clip]:
    """Of each corpus at most `limit`. Raises InvalidRequestError for a corpus nothing is known of."""
    if unknown := set(corpora) - CORPORA.keys():
        raise InvalidRequestError(f"no corpus {sorted(unknown)[0]!r}; there are {', '.join(CORPORA)}", field="corpora")
    clips: dict[str, list[Clip]] = defaultdict(list)
    for clip in read_manifest(root / "manifest.csv"):
        if clip.corpus in corpora and clip.split in CORPORA[clip.corpus].splits:
            clips[clip.corpus].append(clip)
    return [clip for corpus in corpora for clip in clips[corpus][:limit]]
