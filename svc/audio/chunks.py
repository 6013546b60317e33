"""The bytes of a live stream, chunk by chunk, to one channel of samples."""

from svc.audio.collector import check_values
from svc.audio.decode import check_rate, chosen_channel
from svc.audio.pcm import PcmEncoding, samples_of
from svc.errors import AudioMissingError, AudioTooLongError, AudioTruncatedError
from svc.types import FloatArray

# What is longer is a recording, not a chunk: it would hold up the other streams of a batch.
MAX_CHUNK_S = 2.0


class ChunkDecoder:
    """Decodes interleaved PCM without a header, any number of whole frames at a time.

    Raises ChannelError or RateUnsupportedError when made; each error names the field of the stream's config at fault.
    """

    def __init__(
        self, *, encoding: PcmEncoding, sample_rate_hz: int, num_channels: int = 1, channel: int | None = None
    ) -> None:
        check_rate(sample_rate_hz, field="sample_rate_hz")
        self.channel = chosen_channel(num_channels, channel, field="num_channels")
        self.encoding = encoding
        self.sample_rate_hz = sample_rate_hz
        self.num_channels = num_channels
        self.num_decoded = 0

    @property
    def bytes_per_s(self) -> int:
        return self.frame_bytes * self.sample_rate_hz

    @property
    def frame_bytes(self) -> int:
        """Bytes of one sample of every channel."""
        return self.encoding.sample_bytes * self.num_channels

    def decode(self, data: bytes) -> FloatArray:
        """One chunk -> (N,). Raises AudioMissingError, AudioTooLongError, AudioTruncatedError, AudioNotFiniteError or
        AudioFormatError; the chunk is then as if it had not been sent.
        """
        self._check_length(len(data))
        samples = samples_of(data, self.encoding)[self.channel :: self.num_channels]
        check_values(samples, self.num_decoded, self.sample_rate_hz, field="audio")
        self.num_decoded += len(samples)
        return samples

    def _check_length(self, num_bytes: int) -> None:
        if num_bytes == 0:
            raise AudioMissingError(
                "the chunk is empty: send samples, or keep_alive when there are none", field="audio"
            )
        if num_bytes > MAX_CHUNK_S * self.bytes_per_s:
            raise AudioTooLongError(
                f"a chunk of {num_bytes / self.bytes_per_s:.3f} s is longer than {MAX_CHUNK_S:g} s, the most one "
                "message of a stream may carry: split it",
                field="audio",
            )
        if num_bytes % self.frame_bytes:
            raise AudioTruncatedError(
                f"{num_bytes} bytes are no whole number of frames of {self.frame_bytes} bytes: check encoding and "
                "num_channels, and cut chunks between frames",
                field="audio",
            )
