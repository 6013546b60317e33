"""Cuts long recordings into windows that a model can take one at a time."""


def sliding_windows(num_samples: int, *, window_samples: int, hop_samples: int) -> list[slice]:
    """Windows that cover every sample, in order; all of one length unless the recording itself is shorter.

    They start a hop apart, but for the last, which ends where the recording ends: no window is padded.
    """
    if not 0 < hop_samples <= window_samples:
        raise ValueError(f"need 0 < hop_samples <= window_samples, got {hop_samples} and {window_samples}")
    if num_samples <= 0:
        return []
    last = max(0, num_samples - window_samples)
    starts = [*range(0, last, hop_samples), last]
    return [slice(start, min(start + window_samples, num_samples)) for start in starts]
