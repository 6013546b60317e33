"""The composition root: the one place that decides which parts make up a running Equivox, for the server and the CLI.

Every part is made when first asked for: `equivox profiles list` opens the database and loads no model.
"""

import shlex
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np

from svc.audio.voice_activity import SpeechFinder, VoiceActivityConfig
from svc.backends.batching import BatchingEmbedder, BatchReport
from svc.backends.loading import (
    WHISPER,
    embedder_folder,
    load_embedder,
    load_open_vocabulary,
    load_segmenter,
    load_transcriber,
    load_voice_activity,
    transcriber_compute_toml,
    transcriber_folder,
)
from svc.backends.protocols import Segmenter, VoiceActivityDetector
from svc.backends.store import ModelStore
from svc.backends.stream_batching import StepReport, StreamBatcher
from svc.backends.stream_scheduler import StreamBatchingConfig
from svc.backends.tensor_threads import multiply_on
from svc.config import EquivoxConfig, TranscriptionConfig, default_cache, default_database
from svc.errors import ArtifactError, ModelNotFoundError, PolicyUnknownError, StorageError
from svc.fairness_report import FairnessReport, find_fairness_report
from svc.loaded_model import TRANSCRIBER, LoadedModel, loaded_artifact, loaded_calibration, loaded_entry
from svc.pipelines.diarization import Diarizer
from svc.pipelines.enrolment import Enroller
from svc.pipelines.extraction import VoiceprintExtractor
from svc.pipelines.identification import Identifier
from svc.pipelines.live.second_pass import SecondPass
from svc.pipelines.live.speaker_labels import LabelConfig
from svc.pipelines.live.stream_opening import LiveConfig, LiveParts, LiveTranscriber, StreamOpener
from svc.pipelines.live.transcription import StreamOptions
from svc.pipelines.live.turns import TurnConfig
from svc.pipelines.live.voice_changes import VoiceChangeConfig
from svc.pipelines.verification import Verifier
from svc.profiles.encryption import configured_key
from svc.profiles.index import VoiceIndex
from svc.profiles.sqlite import SqliteProfileStore
from svc.scoring.calibration import Calibration, load_calibration
from svc.scoring.policy import Policies
from svc.scoring.policy_file import load_policies, policies_of
from svc.types import MODEL_RATE_HZ, Waveform
from svc.workers import embedder_workers, num_workers, usable_cores


@contextmanager
def _as_configured(setting: str) -> Iterator[None]:
    """An artifact or model that cannot be used is told by the setting that names it."""
    try:
        yield
    except (ArtifactError, ModelNotFoundError) as error:
        raise type(error)(f"{setting}: {error.message}", field=error.field) from error


def _check_none_left_behind(database: Path) -> None:
    """Raises StorageError where profiles lie in the cache, once the default, and those of now would begin anew."""
    old = default_cache() / database.name
    if database == default_database() and old.exists() and not database.exists():
        here, there = shlex.quote(str(old)), shlex.quote(str(database.parent))
        raise StorageError(
            f"profiles are kept in {database} now, those of before lie in {old}: stop what uses them and "
            f"move them: mkdir -p {there} && mv {here}* {there}; or name them: profiles.database = {str(old)!r}"
        )


class Application:
    """A configured Equivox. Parts load on first use; `warm_up` loads and runs them all."""

    def __init__(
        self,
        config: EquivoxConfig,
        *,
        on_batch: Callable[[BatchReport], None] | None = None,
        on_step: Callable[[StepReport], None] | None = None,
    ) -> None:
        self.config = config
        self.on_batch = on_batch
        self.on_step = on_step

    @cached_property
    def store(self) -> ModelStore:
        return ModelStore(self.config.models.cache_dir, offline=self.config.models.offline)

    @cached_property
    def embedder(self) -> BatchingEmbedder:
        models = self.config.models
        with _as_configured("models.embedder"):
            embedder = load_embedder(models, self.store)
        return BatchingEmbedder(
            embedder,
            workers=embedder_workers(self.config, embedder.runtime),
            max_batch=models.max_batch,
            max_queued_clips=models.max_queued_clips,
            on_batch=self.on_batch,
        )

    @cached_property
    def voice_activity(self) -> VoiceActivityDetector:
        return load_voice_activity(self.config.models, self.store)

    @cached_property
    def segmenter(self) -> Segmenter:
        return load_segmenter(self.config.models, self.store)

    @cached_property
    def calibration(self) -> Calibration:
        fingerprint = self.embedder.fingerprint
        with _as_configured("verification.calibration"):
            return load_calibration(self.config.verification.calibration, fingerprint)

    @cached_property
    def extractor(self) -> VoiceprintExtractor:
        finder = SpeechFinder(self.voice_activity, VoiceActivityConfig())
        return VoiceprintExtractor(
            embedder=self.embedder,
            speech_finder=finder,
            min_net_speech_s=self.config.verification.min_net_speech_s,
        )

    @cached_property
    def verifier(self) -> Verifier:
        return Verifier(extractor=self.extractor, calibration=self.calibration)

    @cached_property
    def profiles(self) -> SqliteProfileStore:
        database, key_file = self.config.profiles.database, self.config.profiles.key_file
        _check_none_left_behind(database)
        return SqliteProfileStore(database, key=configured_key(key_file))

    @cached_property
    def index(self) -> VoiceIndex:
        return VoiceIndex(self.profiles, num_threads=usable_cores())

    @cached_property
    def policies(self) -> Policies:
        """Raises PolicyUnknownError when the default is none of them, ArtifactError for a file that cannot be used."""
        config = self.config.verification
        files = load_policies(config.policies)
        policies = policies_of(files, default=config.policy)
        try:
            policies.named("")
        except PolicyUnknownError as error:
            raise PolicyUnknownError(error.message, field="verification.policy") from error
        # A threshold means something on the LLRs of one calibration only.
        for file in files:
            file.check_calibration(self.calibration.calibration_id)
        return policies

    @cached_property
    def enroller(self) -> Enroller:
        return Enroller(
            extractor=self.extractor,
            store=self.profiles,
            index=self.index,
            calibration=self.calibration,
            max_utterances=self.config.profiles.max_utterances,
        )

    @cached_property
    def identifier(self) -> Identifier:
        return Identifier(extractor=self.extractor, store=self.profiles, index=self.index, calibration=self.calibration)

    @cached_property
    def diarizer(self) -> Diarizer:
        return Diarizer(segmenter=self.segmenter, embedder=self.embedder)

    @property
    def can_transcribe(self) -> bool:
        """Whether there is a transcriber, in the configuration or shipped."""
        return transcriber_folder(self.config.transcription) is not None

    @cached_property
    def stream_batcher(self) -> StreamBatcher[Any]:
        """Raises ModelUnavailableError when there is no transcriber, ArtifactError when it is broken."""
        config = self.config.transcription
        with _as_configured("transcription.artifact"):
            recogniser = load_transcriber(config)
        return StreamBatcher(
            recogniser,
            StreamBatchingConfig(max_streams=config.max_streams),
            on_step=self.on_step,
            on_start=partial(multiply_on, config.step_threads),
        )

    @cached_property
    def second_pass(self) -> SecondPass | None:
        """None unless switched on. Raises ModelUnavailableError when its model is missing."""
        config = self.config.transcription
        if not config.second_pass:
            return None
        return SecondPass(load_open_vocabulary(self.store), max_queued=config.max_queued_turns)

    @cached_property
    def transcriber(self) -> LiveTranscriber:
        """Raises ModelUnavailableError when there is none, ArtifactError when it is broken or wants other voices."""
        recogniser = self.stream_batcher.recogniser
        if recogniser.voice_width not in (0, self.embedder.dimension):
            raise ArtifactError(
                f"the transcriber wants voices of width {recogniser.voice_width}, the embedder's are of "
                f"{self.embedder.dimension}: serve it with the embedder its cohorts were found with"
            )
        if recogniser.voice_embedder not in ("", self.embedder.fingerprint):
            raise ArtifactError(
                f"the transcriber knows voices of embedder {recogniser.voice_embedder}, not of the one served, "
                f"{self.embedder.fingerprint}: serve it with the embedder its cohorts were found with"
            )
        parts = LiveParts(
            open_session=self.stream_batcher.open,
            fingerprint=recogniser.fingerprint,
            algorithmic_latency_s=recogniser.algorithmic_latency_s,
            embedder=self.embedder,
            calibration=self.calibration,
            identifier=self.identifier,
            second_pass=self.second_pass,
        )
        return StreamOpener(parts, live_config(self.config.transcription))

    @cached_property
    def loaded(self) -> tuple[LoadedModel, ...]:
        """What runs, for Models.List. Loads it all."""
        embedder, calibration = self._loaded_embedder(), loaded_calibration(self.calibration)
        return (
            # An audit is of embedder and calibration together, and may lie with either.
            replace(embedder, audited_in=(*embedder.audited_in, *calibration.audited_in)),
            self._loaded_model("silero-vad", "voice-activity", self.voice_activity),
            self._loaded_model("pyannote-segmentation-3.0", "segmenter", self.segmenter),
            *self._loaded_transcriber(),
            *([self._loaded_model(WHISPER, TRANSCRIBER, self.second_pass)] if self.second_pass else []),
            calibration,
        )

    def _loaded_embedder(self) -> LoadedModel:
        """Of an artifact, its own card."""
        folder = embedder_folder(self.config.models)
        if folder is None:
            return self._loaded_model(self.config.models.embedder, "embedder", self.embedder)
        return replace(loaded_artifact(folder, "embedder", self.embedder.fingerprint), audited_in=(folder,))

    def _loaded_transcriber(self) -> tuple[LoadedModel, ...]:
        """Its artifact's card is its card, and what it computes stands below; there may be none."""
        folder = transcriber_folder(self.config.transcription)
        if folder is None:
            return ()
        loaded = loaded_artifact(folder, TRANSCRIBER, self.transcriber.fingerprint)
        card_toml = loaded.card_toml + transcriber_compute_toml(folder)
        return (replace(loaded, card_toml=card_toml, audited_in=(folder,)),)

    def _loaded_model(self, name: str, role: str, model: object) -> LoadedModel:
        entry = {entry.name: entry for entry in self.store.entries()}.get(name)
        return loaded_entry(name, role, model, entry=entry)

    def fairness_report(self, model: LoadedModel) -> FairnessReport:
        """Raises FairnessReportNotFoundError where nobody has measured it, ArtifactError for one of something else."""
        report = find_fairness_report(model)
        if model.role == TRANSCRIBER:
            report.check_transcriber(model.fingerprint)
        else:
            report.check(
                fingerprint=self.embedder.fingerprint,
                calibration_id=self.calibration.calibration_id,
                policies=self.policies,
            )
        return report

    def warm_up(self) -> None:
        """Loads every part and runs every model once, so that no caller pays for it or finds it missing.

        What fails soonest comes first: a wrong setting or a broken database should not wait for torch to load.
        """
        _ = self.policies
        _ = self.profiles, self.verifier
        noise = np.random.default_rng(0).normal(0, 0.1, 3 * MODEL_RATE_HZ).astype(np.float32)
        self.embedder.embed([noise] * num_workers(self.config))
        self.voice_activity.speech_probabilities(noise)
        self.diarizer.diarize(Waveform(noise, MODEL_RATE_HZ))
        if self.can_transcribe:
            stream = self.transcriber.open(StreamOptions(sample_rate_hz=MODEL_RATE_HZ))
            stream.push(noise)
            stream.close()
        if self.second_pass:
            self.second_pass.recogniser.transcribe(noise)
        _ = self.enroller, self.identifier, self.loaded

    def close(self) -> None:
        """Stops the models' threads and closes the database; parts never made are not made for it."""
        made = vars(self)
        for name in ("transcriber", "second_pass", "stream_batcher", "embedder", "index", "profiles"):
            if made.get(name) is not None:
                made[name].close()


def live_config(config: TranscriptionConfig) -> LiveConfig:
    """The settings as the pipeline takes them."""
    return LiveConfig(
        second_pass_patience_s=config.second_pass_patience_s,
        voice_threads=config.voice_threads,
        turns=TurnConfig(idle_s=config.idle_turn_s, longest_turn_s=config.longest_turn_s),
        labels=LabelConfig(join_llr=config.join_llr, found_llr=config.found_llr, merge_llr=config.merge_llr),
        changes=VoiceChangeConfig() if config.split_turns else None,
    )
