"""Are these two voices one person: voiceprints -> cosine -> calibrated LLR -> policy -> decision."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from svc.errors import ArtifactError, ServiceError
from svc.pipelines.extraction import VoiceprintExtractor, utterance_field
from svc.scoring.calibration import REMEDY, Calibration
from svc.scoring.cosine import score
from svc.scoring.policy import Policy, decide
from svc.types import Verification, Voiceprint, Waveform


class Verifier:
    """Compares two voices. Safe to call from several threads at once.

    Raises ArtifactError when calibration and embedder do not belong together.
    """

    def __init__(self, *, extractor: VoiceprintExtractor, calibration: Calibration) -> None:
        _check_parts(extractor.embedder.fingerprint, calibration)
        self.extractor = extractor
        self.calibration = calibration

    def verify(self, enrolment: Waveform | Voiceprint, test: Waveform | Voiceprint, policy: Policy) -> Verification:
        """Raises TooLittleSpeechError with the side as field, FingerprintMismatchError, and the embedder's errors."""
        voices = self._voiceprints({"enrolment": enrolment, "test": test})
        return self.compare(voices["enrolment"], voices["test"], policy)

    def compare(self, enrolment: Voiceprint, test: Voiceprint, policy: Policy) -> Verification:
        """Two voices that are embedded already. Raises FingerprintMismatchError."""
        # Before the score: of a model that is not ours the two may not even be of one length.
        self.calibration.check_model(enrolment, test)
        raw_score = score(enrolment, test)
        llr = self.calibration.llr_of(raw_score, enrolment, test)
        decision, reasons = decide(llr, policy, enrolment, test)
        return Verification(
            llr=llr,
            decision=decision,
            reasons=reasons,
            policy_id=policy.policy_id,
            threshold_llr=policy.threshold_llr,
            calibration_id=self.calibration.calibration_id,
            model_fingerprint=self.calibration.model_fingerprint,
            enrolment_net_speech_s=enrolment.net_speech_s,
            test_net_speech_s=test.net_speech_s,
            score=raw_score,
        )

    def _voiceprints(self, sides: dict[str, Waveform | Voiceprint]) -> dict[str, Voiceprint]:
        """Both clips in one call of the embedder, so that they may run side by side."""
        clips = {name: side for name, side in sides.items() if isinstance(side, Waveform)}
        voices = {name: side for name, side in sides.items() if isinstance(side, Voiceprint)}
        with _naming_sides(list(clips)):
            extractions = self.extractor.extract_many(list(clips.values()))
        return voices | {name: each.voiceprint for name, each in zip(clips, extractions, strict=True)}


@contextmanager
def _naming_sides(names: Sequence[str]) -> Iterator[None]:
    """extract_many numbers the clips it was given; the caller knows them by name."""
    try:
        yield
    except ServiceError as error:
        fields = {utterance_field(number): name for number, name in enumerate(names)}
        if error.field not in fields:
            raise
        name = fields[error.field]
        raise type(error)(f"{name}: {error.message}", field=f"{name}.audio") from error


def _check_parts(fingerprint: str, calibration: Calibration) -> None:
    if calibration.model_fingerprint != fingerprint:
        raise ArtifactError(
            f"calibration {calibration.calibration_id} is for model {calibration.model_fingerprint}, "
            f"the embedder is {fingerprint}; {REMEDY}"
        )
