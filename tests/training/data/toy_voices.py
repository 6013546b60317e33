"""A handful of talkers with a pitch of their own, in memory: enough to train a verifier on in a second."""

import zlib

import numpy as np

from svc.types import MODEL_RATE_HZ, FloatArray
from training.data.manifest import Clip
from training.data.training_speakers import TrainingSpeaker, training_speakers


def clip(speaker: str, number: int, *, session: str = "0", duration_s: float = 1.0, sex: str = "") -> Clip:
    return Clip(
        path=f"toy/{speaker}/{session}_{number}.wav",
        corpus="toy",
        split="train",
        speaker=speaker,
        session=session,
        sex=sex,
        country="",
        language="",
        age=None,
        channel="",
        sample_rate_hz=MODEL_RATE_HZ,
        duration_s=duration_s,
        text="",
    )


def clips_of(num_speakers: int, *, sessions: int = 2) -> list[Clip]:
    """Two clips of a second in each session; sexes in turn."""
    return [
        clip(f"t{who}", number, session=str(session), sex="mf"[who % 2])
        for who in range(num_speakers)
        for session in range(sessions)
        for number in range(2)
    ]


def toy_speakers(num_speakers: int, *, sessions: int = 2, speeds: tuple[float, ...] = (1.0,)) -> list[TrainingSpeaker]:
    """Talker t is of group t % 2."""
    clips = clips_of(num_speakers, sessions=sessions)
    groups = {each.path: int(each.speaker[1:]) % 2 for each in clips}
    return training_speakers(clips, groups, speeds=speeds, min_speech_s=1.0)


class VoicesInMemory:
    """Harmonics of the talker's pitch, a little noise of the clip's own."""

    def read(self, utterance_id: str, start_s: float, end_s: float) -> FloatArray:
        who = int(utterance_id.split("/")[1][1:])
        time_s = np.arange(round(start_s * MODEL_RATE_HZ), round(end_s * MODEL_RATE_HZ)) / MODEL_RATE_HZ
        voice = sum(np.sin(2 * np.pi * (90 + 17 * who) * k * time_s) / k for k in range(1, 20))
        noise = np.random.default_rng(zlib.crc32(utterance_id.encode())).normal(0, 0.01, len(time_s))
        return np.asarray(0.1 * voice + noise, np.float32)
