"""Synthetic talkers: every word a tone of its own pitch per talker, with silence between, read from memory."""

import numpy as np

from svc.types import MODEL_RATE_HZ, FloatArray
from training.data.utterances import TimedWord, Utterance

WORDS = ("call", "stella", "ask", "her", "to", "bring", "these", "things")


def utterance(
    speaker: str, number: int, *, domain: str = "phrases", num_words: int = 8, word_s: float = 0.3, pause_s: float = 0.1
) -> Utterance:
    """Words of `word_s` after 0.2 s of silence; after every third word the pause is 0.2 s longer."""
    words, at_s = [], 0.2
    for index in range(num_words):
        words.append(TimedWord(WORDS[(number + index) % len(WORDS)], round(at_s, 3), round(at_s + word_s, 3)))
        at_s += word_s + pause_s + (0.2 if index % 3 == 2 else 0.0)
    return Utterance(
        utterance_id=f"{domain}-{speaker}-{number}",
        path=f"{domain}/{speaker}/1_{number}.wav",
        start_s=0.0,
        end_s=round(at_s + 0.2, 3),
        speaker=speaker,
        sex="female",
        domain=domain,
        split="train",
        words=tuple(words),
    )


def talkers(num_talkers: int = 5) -> list[Utterance]:
    """Two paragraphs and eight digits each."""
    names = [f"t{who}" for who in range(num_talkers)]
    paragraphs = [utterance(name, number) for name in names for number in range(2)]
    digits = [utterance(name, number, domain="digits", num_words=1) for name in names for number in range(8)]
    return paragraphs + digits


def tones(of: Utterance) -> FloatArray:
    """(N,) at 16 kHz: loud in words, silent elsewhere."""
    pitch_hz = 200 + 70 * (sum(of.speaker.encode()) % 11)
    samples = np.zeros(round(of.duration_s * MODEL_RATE_HZ), np.float32)
    for word in of.words:
        span = slice(round(word.start_s * MODEL_RATE_HZ), round(word.end_s * MODEL_RATE_HZ))
        samples[span] = 0.3 * np.sin(2 * np.pi * pitch_hz * np.arange(span.stop - span.start) / MODEL_RATE_HZ)
    return samples


class TonesInMemory:
    """Reads cuts of the tones of these utterances."""

    def __init__(self, utterances: list[Utterance]) -> None:
        self.samples = {spoken.utterance_id: tones(spoken) for spoken in utterances}

    def read(self, utterance_id: str, start_s: float, end_s: float) -> FloatArray:
        return self.samples[utterance_id][round(start_s * MODEL_RATE_HZ) : round(end_s * MODEL_RATE_HZ)].copy()
