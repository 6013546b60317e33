"""What can be measured on a clip before any decision: noise, clipping, and the bandwidth its speech really has."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import scipy.fft

from svc.types import MODEL_RATE_HZ, AudioQuality, Band, FloatArray, Span, Waveform

PowerArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]

FRAME_S = 0.02
# What a decoded 16-bit sample at full scale, or a lossy codec's rendering of it, reaches.
FULL_SCALE = 0.99
# Frames below -95 dBFS hold nothing but rounding: padding, muting or a codec's gate, not the room.
DIGITAL_SILENCE = 10**-9.5
MIN_NOISE_FRAMES = 10
QUIETEST_PERCENTILE = 5
MIN_SNR_DB, MAX_SNR_DB = -10.0, 60.0

SPECTRUM_FRAMES = 3000
LOW_BAND_HZ = (300.0, 3400.0)
# Above the skirts of every telephone filter; below where MP3 and narrow microphones roll off.
HIGH_BAND_HZ = (4300.0, 7500.0)
MIN_HIGH_BAND_HZ = 500.0
FRICATIVE_PERCENTILE = 95
# Relative to the mean of the low band. 8 kHz calls brought up to 16 kHz stay below -80 dB (-52 dB after a lossy codec),
# paragraphs read into a microphone above -36 dB.
WIDE_DB = -50.0
# A quiet call stored in 16 bits at 16 kHz has the noise of rounding above its own band. Up to four times its power,
# which is 1/12 of a squared step (dither makes it three times), is no speech.
ROUNDING_POWER = 4 / 12 / 32768**2


def measure_quality(waveform: Waveform, speech: Sequence[Span]) -> AudioQuality:
    """Quality of a clip at its own rate, given where speech is in it.

    Without speech net_speech_s is 0, snr_db the least there is, and the band that of the sample rate.
    """
    frames = frames_of(waveform)
    frame_s = frames.shape[1] / waveform.sample_rate_hz
    spoken = frames_within(speech, num_frames=len(frames), frame_s=frame_s)
    powers = np.einsum("tw,tw->t", frames, frames, dtype=np.float64) / frames.shape[1] - frames.mean(axis=1) ** 2
    return AudioQuality(
        duration_s=waveform.duration_s,
        net_speech_s=sum(span.duration_s for span in speech),
        snr_db=snr_db(powers[spoken], powers[~spoken]),
        clipped_share=clipped_share(frames, spoken),
        band=band_of(some_of(frames, spoken), waveform.sample_rate_hz),
    )


def measure_beside(speech: FloatArray, pauses: FloatArray) -> AudioQuality:
    """(N,) of speech throughout and (P,) of pauses heard beside it, both at 16 kHz."""
    heard = Waveform(np.concatenate([speech, pauses]), MODEL_RATE_HZ)
    return measure_quality(heard, [Span(0.0, len(speech) / MODEL_RATE_HZ)])


def frames_of(waveform: Waveform) -> FloatArray:
    """(T, W) frames side by side, a view; a rest shorter than a frame is left out unless it is all there is."""
    samples = waveform.samples
    width = min(round(FRAME_S * waveform.sample_rate_hz), max(1, len(samples)))
    num_frames = len(samples) // width
    return samples[: num_frames * width].reshape(num_frames, width)


def frames_within(speech: Sequence[Span], *, num_frames: int, frame_s: float) -> BoolArray:
    """(T,) frames whose middle lies in speech. They last a whole number of samples, FRAME_S but at odd rates."""
    middles_s = (np.arange(num_frames) + 0.5) * frame_s
    inside = np.zeros(num_frames, np.bool_)
    for span in speech:
        first, last = np.searchsorted(middles_s, [span.start_s, span.end_s])
        inside[first:last] = True
    return inside


def snr_db(speech_powers: PowerArray, pause_powers: PowerArray) -> float:
    """Power of speech over power of noise, in dB, from the powers of their frames.

    The median of the pauses is the noise: a door or an echo in one of them does not count. Nor does a pause that is
    none: no noise is louder than the quietest speech, which stands for it where no pause is left to listen to.
    """
    speech_powers = speech_powers[speech_powers > DIGITAL_SILENCE]
    pause_powers = pause_powers[pause_powers > DIGITAL_SILENCE]
    if len(speech_powers) == 0:
        return MIN_SNR_DB
    noise = float(np.percentile(speech_powers, QUIETEST_PERCENTILE))
    if len(pause_powers) >= MIN_NOISE_FRAMES:
        noise = min(noise, float(np.median(pause_powers)))
    # What is heard during speech is speech and noise together.
    clean = max(float(speech_powers.mean()) - noise, np.finfo(np.float64).tiny)
    return float(np.clip(10 * np.log10(clean / noise), MIN_SNR_DB, MAX_SNR_DB))


def clipped_share(frames: FloatArray, spoken: BoolArray) -> float:
    """Share of samples at full scale during speech, 0 to 1; over all frames when there is none."""
    if frames.size == 0:
        return 0.0
    counts = np.count_nonzero(frames >= FULL_SCALE, axis=1) + np.count_nonzero(frames <= -FULL_SCALE, axis=1)
    return float(np.mean(counts[spoken] if spoken.any() else counts) / frames.shape[1])


def some_of(frames: FloatArray, spoken: BoolArray) -> FloatArray:
    """The frames of speech, or enough of them, evenly: a minute tells as much of the band as all of an hour."""
    (places,) = np.nonzero(spoken)
    return frames[places[:: max(1, len(places) // SPECTRUM_FRAMES)]]


def band_of(frames: FloatArray, rate_hz: int) -> Band:
    """(T, W) frames of speech -> the bandwidth they fill, whatever their rate would allow."""
    high_hz = (HIGH_BAND_HZ[0], min(HIGH_BAND_HZ[1], rate_hz / 2))
    if high_hz[1] - high_hz[0] < MIN_HIGH_BAND_HZ:
        return Band.TELEPHONE
    return Band.WIDE if len(frames) == 0 or high_band_db(frames, rate_hz, high_hz) > WIDE_DB else Band.TELEPHONE


def high_band_db(frames: FloatArray, rate_hz: int, high_hz: tuple[float, float]) -> float:
    """How strong the strongest high-band frames are, relative to the mean of the low band.

    Fricatives are what speech has above 4 kHz, and they are rare: a mean over all frames would drown them.
    """
    window = np.hanning(frames.shape[1]).astype(np.float32)
    powers = np.abs(scipy.fft.rfft(frames * window, axis=1)) ** 2  # (T, F)
    frequencies_hz = np.fft.rfftfreq(frames.shape[1], 1 / rate_hz)
    in_low, in_high = ((frequencies_hz >= start) & (frequencies_hz <= end) for start, end in (LOW_BAND_HZ, high_hz))
    low = powers[:, in_low].sum(axis=1).mean()
    high = np.percentile(powers[:, in_high].sum(axis=1), FRICATIVE_PERCENTILE)
    rounding = ROUNDING_POWER * in_high.sum() * np.square(window).sum()
    tiny = float(np.finfo(np.float32).tiny)
    return 10 * float(np.log10(max(high - rounding, tiny) / (low + tiny)))
