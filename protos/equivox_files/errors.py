"""Why a file cannot be heard as it is, and what to do about it."""


class AudioFileError(ValueError):
    """It is no audio file, or a broken one."""


class CutOffError(AudioFileError):
    """It ends before its own headers say."""


class EmptyFileError(AudioFileError):
    """It holds no samples."""


class DeclaredRateError(AudioFileError):
    """It has another sample rate than the caller said."""
