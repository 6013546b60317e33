"""Chooses the diarization defaults: a small grid over ami (train and dev) and long simulated conversations.

    python -m training.tune_diarization [--seed 0] [--out out/tune_diarization.json]

ami is twelve half minutes, so the figure to believe is the leave-one-out DER: each excerpt under the setting that is
best on all the others. The conversations (saa train talkers) guard against settings that only suit half minutes. Their
reference does not know the readers' pauses, so they favour long gaps: min_gap_s stays at the 0.25 s where ami is flat.
"""

import argparse
import itertools
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from svc.backends.loading import load_embedder, load_segmenter
from svc.backends.store import ModelStore
from svc.config import ModelConfig
from svc.pipelines.clustering import ClusteringConfig, SpeakerBounds
from svc.pipelines.diarization import DiarizationConfig, Diarizer
from svc.pipelines.local_voices import WindowedSpeech
from svc.types import Turn
from training.command_line import file_to_write, from_zero, mistakes_told
from training.data.conversations import make_conversation
from training.data.manifest import data_root, read_manifest
from training.data.recordings import Recording, read_ami
from training.metrics.diarization import DiarizationErrors, diarization_errors
from training.report_json import write_text

HOPS_S = (2.5, 5.0)
THRESHOLDS = (0.45, 0.5, 0.55, 0.6, 0.65, 0.7)
MIN_SPEAKER_S = (1.0, 4.0)
MIN_SPEAKER_SHARES = (0.01, 0.05)
MIN_GAPS_S = (0.0, 0.25, 0.5)
# Talkers and seconds of each simulated conversation.
CONVERSATIONS = ((2, 180.0), (4, 180.0), (7, 240.0))


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One point of the grid; round values, since the data cannot tell finer ones apart."""

    hop_s: float
    threshold: float
    min_speaker_s: float
    min_speaker_share: float
    min_gap_s: float

    def config(self) -> DiarizationConfig:
        clustering = ClusteringConfig(
            threshold=self.threshold, min_speaker_s=self.min_speaker_s, min_speaker_share=self.min_speaker_share
        )
        return DiarizationConfig(hop_s=self.hop_s, min_gap_s=self.min_gap_s, clustering=clustering)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """A setting's errors on each recording, in their order."""

    setting: Setting
    ami: tuple[DiarizationErrors, ...]
    conversations: tuple[DiarizationErrors, ...]

    @property
    def ami_rate(self) -> float:
        return sum(self.ami, DiarizationErrors.zero).rate

    @property
    def conversation_rate(self) -> float:
        return sum(self.conversations, DiarizationErrors.zero).rate

    def cost(self, left_out: int | None = None) -> float:
        """What is minimised: the mean of the two rates, with one ami excerpt left out if wanted."""
        kept = (errors for index, errors in enumerate(self.ami) if index != left_out)
        return (sum(kept, DiarizationErrors.zero).rate + self.conversation_rate) / 2


def all_settings() -> list[Setting]:
    grid = itertools.product(HOPS_S, THRESHOLDS, MIN_SPEAKER_S, MIN_SPEAKER_SHARES, MIN_GAPS_S)
    return [
        Setting(hop_s=hop, threshold=threshold, min_speaker_s=floor, min_speaker_share=share, min_gap_s=gap)
        for hop, threshold, floor, share, gap in grid
    ]


def errors_of(diarizer: Diarizer, heard: WindowedSpeech, recording: Recording) -> DiarizationErrors:
    """Errors of the arithmetic part of the pipeline on what the models heard."""
    end_s = recording.waveform.duration_s
    spans = diarizer.timeline(heard, SpeakerBounds(most=diarizer.config.max_speakers), end_s=end_s)
    turns = [Turn(span, label) for label, found in spans.items() for span in found]
    return diarization_errors(recording.turns, turns, scored=recording.scored)


def try_settings(diarizer: Diarizer, ami: Sequence[Recording], conversations: Sequence[Recording]) -> list[Outcome]:
    """The models run once a hop; the rest of the grid is arithmetic."""
    outcomes = []
    recordings = [*ami, *conversations]
    for hop_s, settings in itertools.groupby(all_settings(), lambda setting: setting.hop_s):
        print(f"listening every {hop_s} s to {len(recordings)} recordings", file=sys.stderr)
        heard = [diarizer.listener.listen(recording.waveform.samples, hop_s=hop_s) for recording in recordings]
        for setting in settings:
            tried = Diarizer(segmenter=diarizer.listener.segmenter, embedder=diarizer.embedder, config=setting.config())
            errors = [errors_of(tried, one, recording) for one, recording in zip(heard, recordings, strict=True)]
            outcomes.append(
                Outcome(setting=setting, ami=tuple(errors[: len(ami)]), conversations=tuple(errors[len(ami) :]))
            )
    return outcomes


def leave_one_out(outcomes: Sequence[Outcome]) -> DiarizationErrors:
    """Errors on each ami excerpt under the setting that is best without it."""
    total = DiarizationErrors.zero
    for index in range(len(outcomes[0].ami)):
        total += min(outcomes, key=lambda outcome: outcome.cost(left_out=index)).ami[index]
    return total


def report(outcomes: Sequence[Outcome]) -> dict[str, object]:
    """The best few settings, the shipped one, and what tuning is worth on unheard recordings."""
    shipped = DiarizationConfig()
    wanted = Setting(
        hop_s=shipped.hop_s,
        threshold=shipped.clustering.threshold,
        min_speaker_s=shipped.clustering.min_speaker_s,
        min_speaker_share=shipped.clustering.min_speaker_share,
        min_gap_s=shipped.min_gap_s,
    )

    def row(outcome: Outcome) -> dict[str, float]:
        rates = {"ami_der": outcome.ami_rate, "conversations_der": outcome.conversation_rate, "cost": outcome.cost()}
        return {**asdict(outcome.setting), **{name: round(rate, 4) for name, rate in rates.items()}}

    return {
        "best": [row(outcome) for outcome in sorted(outcomes, key=Outcome.cost)[:10]],
        "shipped": [row(outcome) for outcome in outcomes if outcome.setting == wanted],
        "leave_one_out_ami_der": round(leave_one_out(outcomes).rate, 4),
        "ami_recordings": len(outcomes[0].ami),
    }


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=from_zero, default=0, help="of the simulated conversations")
    parser.add_argument("--out", type=file_to_write, default="out/tune_diarization.json")
    options = parser.parse_args(arguments)
    with mistakes_told():
        text = json.dumps(report(_outcomes(seed=options.seed)), indent=2)
        write_text(options.out, text + "\n")
    print(text)


def _outcomes(*, seed: int) -> list[Outcome]:
    root, models = data_root(), ModelConfig()
    clips = [c for c in read_manifest(root / "manifest.csv") if (c.corpus, c.split) == ("saa", "train")]
    store = ModelStore(models.cache_dir, offline=models.offline)
    diarizer = Diarizer(segmenter=load_segmenter(models, store), embedder=load_embedder(models, store))
    conversations = [
        make_conversation(clips, root=root, talkers=talkers, duration_s=duration_s, seed=seed + talkers)
        for talkers, duration_s in CONVERSATIONS
    ]
    return try_settings(diarizer, [*read_ami(root, "train"), *read_ami(root, "dev")], conversations)


if __name__ == "__main__":
    main()
