"""pocketsphinx with a word-pair grammar of a domain's own texts: the classical small-vocabulary recogniser, to compare.

The acoustic model and the pronunciations are those that come with the package: US English, 16 kHz. The grammar is a
bigram: a finite-state grammar of a few hundred phrases takes pocketsphinx longer to build than the recordings last.
"""

import math
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from itertools import pairwise
from pathlib import Path

import numpy as np

from svc.errors import InvalidRequestError
from svc.types import FloatArray
from training.command_line import installation
from training.data.spoken_text import spoken_words
from training.data.transcripts import TranscriptWord

try:
    # In the dev extra alone.
    from pocketsphinx import Decoder
except ImportError:
    Decoder = None

FRAME_S = 0.01
SEARCH = "domain"
BEGIN, END = "<s>", "</s>"
# Of the probability of a word, what its pair has to say; the rest is how often the word is.
PAIR_SHARE = 0.9
# Where a text may begin, the probability that none does any more.
LAST_SHARE = 0.1
Phrase = tuple[str, ...]
Pairs = dict[str, dict[str, float]]


class GrammarRecogniser:
    """One mono recording at a time, whole; texts follow each other with any pauses between."""

    def __init__(self, texts: Iterable[str]) -> None:
        """Texts with a word that the dictionary cannot pronounce are left out. Raises InvalidRequestError."""
        if Decoder is None:
            message = f"pocketsphinx is not installed: {installation('dev')}"
            raise InvalidRequestError(message, field="system")
        self._decoder = Decoder(lm=None, loglevel="FATAL")
        said = Counter(tuple(spoken_words(text)) for text in texts)
        self.phrases = {
            phrase: count
            for phrase, count in sorted(said.items())
            if phrase and all(map(self._decoder.lookup_word, phrase))
        }
        if not self.phrases:
            raise InvalidRequestError("the dictionary can pronounce none of the texts", field="texts")
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "pairs.arpa"
            path.write_text(arpa_of(pairs_of(self.phrases)), encoding="utf-8")
            self._decoder.add_lm_file(SEARCH, str(path))
        self._decoder.activate_search(SEARCH)

    def transcribe(self, samples: FloatArray) -> list[TranscriptWord]:
        """(N,) at 16 kHz -> words in order."""
        self._decoder.start_utt()
        self._decoder.process_raw((np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes(), full_utt=True)
        self._decoder.end_utt()
        if self._decoder.hyp() is None:
            return []
        return [
            TranscriptWord(
                text=segment.word.partition("(")[0],
                start_s=segment.start_frame * FRAME_S,
                end_s=(segment.end_frame + 1) * FRAME_S,
            )
            for segment in self._decoder.seg()
            if segment.word[0].isalpha()
        ]


def pairs_of(phrases: Mapping[Phrase, int]) -> Pairs:
    """Word -> how often each word follows it, where any phrase follows any other as often as it is said."""
    total = sum(phrases.values())
    starts: dict[str, float] = defaultdict(float, {END: LAST_SHARE})
    for phrase, count in phrases.items():
        starts[phrase[0]] += (1 - LAST_SHARE) * count / total
    pairs: Pairs = defaultdict(lambda: defaultdict(float), {BEGIN: starts})
    for phrase, count in phrases.items():
        for word, following in pairwise(phrase):
            pairs[word][following] += count
        for word, share in starts.items():
            pairs[phrase[-1]][word] += count * share
    return pairs


def arpa_of(pairs: Pairs) -> str:
    """The bigram in ARPA's format: PAIR_SHARE of the pair's frequency and the rest of the word's."""
    words: dict[str, float] = defaultdict(float, {BEGIN: 0.0})
    for following in pairs.values():
        for word, count in following.items():
            words[word] += count
    total = sum(words.values())
    ones = [f"{_log(count / total)} {word} {_log(1 - PAIR_SHARE)}" for word, count in sorted(words.items())]
    twos = []
    for given, following in sorted(pairs.items()):
        of_pair, of_word = PAIR_SHARE / sum(following.values()), (1 - PAIR_SHARE) / total
        twos += [
            f"{_log(of_pair * count + of_word * words[word])} {given} {word}"
            for word, count in sorted(following.items())
        ]
    head = f"\\data\\\nngram 1={len(ones)}\nngram 2={len(twos)}\n"
    return "\n".join([head, "\\1-grams:", *ones, "", "\\2-grams:", *twos, "", "\\end\\", ""])


def _log(probability: float) -> str:
    return f"{math.log10(probability):.5f}" if probability else "-99"
