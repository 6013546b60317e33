"""How a run of the encoder study is judged: words of one talker at a time, when the first comes, and what it costs.

Letters: C channels, T mel frames, M mels, R words of a reference, H words heard.
"""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from itertools import accumulate
from operator import itemgetter
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from svc.errors import ArtifactError
from svc.models.separator import NUM_CHANNELS
from svc.models.transcriber import Transcriber
from svc.units import Units
from training.compare_encoders import TIMED_FRAMES, cpu_factor
from training.data.manifest import TEST
from training.data.spoken_text import spoken_words
from training.data.transcripts import TranscriptWord
from training.evaluate_transcription import as_spoken
from training.metrics.word_alignment import word_pairs
from training.studies.ablation_run import Judging, Workshop
from training.studies.ablation_scores import Heard, heard_of, mels_of
from training.studies.ablation_variants import AblationRun
from training.train_transcriber import TranscriberTrainer

Floats = npt.NDArray[np.float64]

# Live streams that step together when time is taken, as `training.compare_encoders` has them.
TIMED_STREAMS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class TalkerErrors:
    """A talker's words in all conversations of a domain, and the errors: of these, and of words put in beside them."""

    domain: str
    speaker: str
    words: int
    errors: int


@dataclass(frozen=True, slots=True, kw_only=True)
class EncoderScores:
    """A run on all conversations. `compute_share` is of the encoder's operations, a mean over frames; `cpu_factor` CPU
    seconds for a second of one channel; delays from the end of a turn's first word to its first token, by conversation.
    """

    num_parameters: int
    flops_per_s: float
    compute_share: float
    cpu_factor: float
    first_word_delays_s: tuple[tuple[float, ...], ...]
    talkers: tuple[TalkerErrors, ...]


def judged_alone(run: AblationRun, trainer: TranscriberTrainer, shop: Workshop) -> Mapping[str, Any]:
    """EncoderScores of the averaged weights on the test conversations, the mixture taken for its own separation."""
    model, units = trainer.averaged_model(), trainer.data.runtime_units
    test = shop.judging_of(TEST)
    heard, shares = zip(*_heard(model, test, turn_tokens=run.recipe.turn_tokens), strict=True)
    share = float(torch.cat(shares).mean())
    found = [aligned(one, units) for one in heard]
    domains = [conversation.domain for conversation in test.conversations]
    scores = EncoderScores(
        num_parameters=sum(parameter.numel() for parameter in model.encoder.parameters()),
        flops_per_s=share * model.encoder.flops_per_s,
        compute_share=share,
        cpu_factor=cpu_factor(model.encoder, streams_of(model, test)),
        first_word_delays_s=tuple(tuple(one.first_word_delays_s()) for one in found),
        talkers=tuple(errors_by_talker(zip(domains, found, strict=True))),
    )
    return asdict(scores)


@torch.no_grad()
def _heard(model: Transcriber, test: Judging, *, turn_tokens: bool) -> Iterator[tuple[Heard, Tensor]]:
    """Each conversation, and the share of compute at each of its frames."""
    for conversation in test.conversations:
        output = model.recognise_whole(mels_of(model, conversation, test.sounds)[:, None])
        share = output.compute_share
        heard = heard_of(model, conversation, output, turn_tokens=turn_tokens)
        yield heard, torch.ones(1) if share is None else share.flatten()


@dataclass(frozen=True, slots=True, kw_only=True)
class Aligned:
    """(R,) words of one conversation with who said each and which open a turn, (H,) words heard, the pairs of both, and
    (R, H) the seconds from the end of each word to the first token of each that was heard.
    """

    true: tuple[TranscriptWord, ...]
    speakers: tuple[str, ...]
    firsts: frozenset[int]
    pairs: tuple[tuple[int | None, int | None], ...]
    said: tuple[str, ...]
    delays_s: Floats

    def first_word_delays_s(self) -> Iterator[float]:
        """Of turns whose first word was heard, right or as another; negative where it came before its end."""
        for r, h in self.pairs:
            if r in self.firsts and h is not None:
                yield float(self.delays_s[r, h])

    def error_speakers(self) -> Iterator[str]:
        """Of each error who said the word, or of one put in the word nearest in time."""
        for r, h in self.pairs:
            if r is None:
                yield self.speakers[int(np.abs(self.delays_s[:, h]).argmin())]
            elif h is None or self.true[r].text != self.said[h]:
                yield self.speakers[r]


def aligned(heard: Heard, units: Units) -> Aligned:
    """By the cheapest alignment of all words, however late they came, and of several such the one nearest in time.

    Raises ValueError where nobody says a word.
    """
    turns = [turn for turn in as_spoken(heard.reference) if turn.words]
    true = [word for turn in turns for word in turn.words]
    if not true:
        raise ValueError("a conversation without words has no talkers to judge")
    said = sorted(_said(heard, units), key=itemgetter(1))
    delays_s = np.subtract.outer([at_s for _, at_s in said], [word.end_s for word in true]).T  # (R, H)
    apart_ms = np.rint(1000 * np.abs(delays_s)).astype(np.int64)
    return Aligned(
        true=tuple(true),
        speakers=tuple(turn.speaker for turn in turns for _ in turn.words),
        firsts=frozenset({0, *accumulate(len(turn.words) for turn in turns)}),
        pairs=tuple(word_pairs([word.text for word in true], [text for text, _ in said], apart=apart_ms)),
        said=tuple(text for text, _ in said),
        delays_s=delays_s,
    )


def errors_by_talker(conversations: Iterable[tuple[str, Aligned]]) -> Iterator[TalkerErrors]:
    """Of (domain, conversation) pairs, in order of domain and speaker."""
    words, errors = Counter[tuple[str, str]](), Counter[tuple[str, str]]()
    for domain, one in conversations:
        words.update((domain, speaker) for speaker in one.speakers)
        errors.update((domain, speaker) for speaker in one.error_speakers())
    for key in sorted(words):
        domain, speaker = key
        yield TalkerErrors(domain=domain, speaker=speaker, words=words[key], errors=errors[key])


def _said(heard: Heard, units: Units) -> Iterator[tuple[str, float]]:
    """The words of each channel, and when the first token of each came, in seconds."""
    for row in heard.emissions:
        for positions in units.words([token.token_id for token in row]):
            at_s = (row[positions[0]].frame + 1) * heard.frame_s + heard.delay_s
            for text in spoken_words(units.spelling(row[position].token_id for position in positions)):
                yield text, at_s


def streams_of(model: Transcriber, test: Judging) -> Tensor:
    """(N, T, M): real speech for as many live streams as are timed, spread evenly over all conversations."""
    speech = torch.cat([mels_of(model, conversation, test.sounds)[0] for conversation in test.conversations])
    speech = speech.repeat(-(-TIMED_FRAMES // len(speech)), 1)
    starts = torch.linspace(0, len(speech) - TIMED_FRAMES, NUM_CHANNELS * TIMED_STREAMS).round().int().tolist()
    return torch.stack([speech[start : start + TIMED_FRAMES] for start in starts])


def read_encoder_scores(path: Path) -> EncoderScores | None:
    """None when there are none yet. Raises ArtifactError for those of a release that did not count by talker."""
    if not path.exists():
        return None
    fields = json.loads(path.read_text(encoding="utf-8"))
    if "talkers" not in fields:
        raise ArtifactError(f"{path} has no counts by talker: delete it, and the study judges this run anew")
    delays = tuple(tuple(row) for row in fields.pop("first_word_delays_s"))
    talkers = tuple(TalkerErrors(**row) for row in fields.pop("talkers"))
    return EncoderScores(**fields, first_word_delays_s=delays, talkers=talkers)
