"""Small random conversations for the metrics: turns of a few words on a grid of seconds."""

from collections.abc import Sequence

from hypothesis import strategies as st

from training.data.transcripts import Transcript, TranscriptTurn, in_order, spread_words

WORDS = ("a", "b", "c")


def turn(text: str, start_s: float, end_s: float, *, speaker: str = "s", channel: int = 0) -> TranscriptTurn:
    return TranscriptTurn(
        speaker=speaker,
        channel=channel,
        start_s=start_s,
        end_s=end_s,
        words=spread_words(text.split(), start_s, end_s),
    )


@st.composite
def conversations(draw: st.DrawFn, max_turns: int = 3) -> Transcript:
    """Turns of 1 to 3 words that start a second or more apart, by up to 3 speakers on 2 channels."""
    turns = []
    for position in range(draw(st.integers(0, max_turns))):
        text = " ".join(draw(st.lists(st.sampled_from(WORDS), min_size=1, max_size=3)))
        start_s = 2.0 * position + draw(st.floats(0, 0.9))
        speaker, channel = draw(st.sampled_from("xyz")), draw(st.integers(0, 1))
        # Not past the next start: nobody overlaps himself.
        turns.append(turn(text, start_s, start_s + 1.0, speaker=speaker, channel=channel))
    return in_order(turns)


def texts(turns: Sequence[TranscriptTurn]) -> list[str]:
    return [word.text for turn in turns for word in turn.words]
