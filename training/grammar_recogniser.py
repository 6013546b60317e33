"""pocketsphinx with a grammar of a domain's own texts: the classical small-vocabulary recogniser, for comparison.

The acoustic model and the pronunciations are those that come with the package: US English, 16 kHz. A domain with more
distinct texts than a grammar can hold is heard with the package's own language model instead.
"""

from collections.abc import Iterable

import numpy as np

from svc.errors import InvalidRequestError
from svc.types import FloatArray
from training.data.spoken_text import spoken_words
from training.data.transcripts import TranscriptWord

try:
    # In the dev extra alone.
    from pocketsphinx import Decoder
except ImportError:
    Decoder = None

MAX_PHRASES = 2_000
FRAME_S = 0.01
SEARCH = "domain"


class GrammarRecogniser:
    """One mono recording at a time, whole; phrases of the grammar follow each other with any pauses between."""

    def __init__(self, texts: Iterable[str]) -> None:
        """Texts with a word that the dictionary cannot pronounce are left out. Raises InvalidRequestError."""
        if Decoder is None:
            message = "pocketsphinx is not installed: pip install 'equivox[dev]'"
            raise InvalidRequestError(message, field="system")
        phrases = sorted({tuple(spoken_words(text)) for text in texts} - {()})
        if len(phrases) > MAX_PHRASES:
            self.phrases: list[tuple[str, ...]] = []
            self._decoder = Decoder(loglevel="FATAL")
            return
        self._decoder = Decoder(lm=None, loglevel="FATAL")
        self.phrases = [phrase for phrase in phrases if all(map(self._decoder.lookup_word, phrase))]
        if not self.phrases:
            raise InvalidRequestError("the dictionary can pronounce none of the texts", field="texts")
        self._decoder.add_jsgf_string(SEARCH, grammar_of(self.phrases))
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


def grammar_of(phrases: Iterable[tuple[str, ...]]) -> str:
    """JSGF: any number of the phrases, one after the other."""
    alternatives = " | ".join(" ".join(phrase) for phrase in phrases)
    return f"#JSGF V1.0;\ngrammar {SEARCH};\n<phrase> = {alternatives};\npublic <turns> = <phrase>+;\n"
