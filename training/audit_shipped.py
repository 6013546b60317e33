"""The audit that ships beside the calibration, of talkers it was not fitted on: `python -m training.audit_shipped`.

    python -m training.audit_shipped                                            writes out/shipped-audit
    python -m training.audit_shipped --artifact svc/artifacts/calibration-campplus      and puts it there to be served

Test talkers of `saa`, each in one session: the same people under every condition, so that no group has conditions of
its own. Strangers are of one sex. Neither audio nor names of recordings get into what is put beside the calibration.
"""

import argparse
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from svc.application import Application
from svc.config import EquivoxConfig
from training.command_line import add_root, folder_to_write, from_zero, mistakes_told
from training.data.manifest import TEST, Clip, read_manifest
from training.data.segments import SegmentReader
from training.data.trial_list import Trial, TrialList, collect_trials
from training.data.trials import draw_trials
from training.embeddings import VoiceCache
from training.evaluate import Attributes, Evaluation, Settings, evaluate
from training.fairness.groups import COUNTRY, SEX, People
from training.report_json import write_json, write_text
from training.report_page.attaching import attach
from training.report_page.page import render_page
from training.systems import equivox_system
from training.tables import progress_over

CORPUS, SPLIT = "saa", TEST
SETS = ("saa-2s-clean", "saa-2s-degraded")
FIRST_LANGUAGE = "first language"
BY = (SEX, FIRST_LANGUAGE, COUNTRY)
ABOUT = (
    "Test talkers of the Speech Accent Archive reading English, one session each, whom neither the calibration nor its "
    "cohort has heard: stretches of 2 s of speech, once as recorded and once with each side by itself put through a "
    "room, noise at 5 to 20 dB or a telephone band. Both recordings of a trial are of the same kind, strangers of the "
    "same sex. One session each and read speech: other days, telephones and free speech are harder."
)


def shipped_trials(root: Path, *, seed: int) -> TrialList:
    """All sets as one list, without groups of its own."""
    return collect_trials(shipped_rows(root, seed=seed))


def shipped_rows(
    root: Path, *, seed: int, split: str = SPLIT, talkers: frozenset[str] | None = None
) -> Iterator[tuple[str, Trial]]:
    """Of the split's talkers, or of these in its noises; each with where it stands."""
    for name in SETS:
        for number, trial in enumerate(draw_trials(name, split=split, seed=seed, root=root, talkers=talkers)):
            yield f"{name} trial {number}", replace(trial, groups={})


def shipped_people(clips: Sequence[Clip], *, corpus: str = CORPUS, splits: Sequence[str] = (SPLIT,)) -> People:
    """Sex, country, and whether English is the first language of the splits' talkers; unknown stays unknown."""
    talkers = [clip for clip in clips if clip.corpus == corpus and clip.split in splits]
    return People(
        columns={
            SEX: {clip.speaker: clip.sex for clip in talkers},
            FIRST_LANGUAGE: {clip.speaker: _first_language(clip) for clip in talkers},
            COUNTRY: {clip.speaker: clip.country for clip in talkers},
        }
    )


def audit_shipped(application: Application, root: Path, *, voices: Path, settings: Settings) -> Evaluation:
    """The system as it serves by default. Each side is embedded once, ever: `voices` keeps them."""
    system = equivox_system(application)
    trials = shipped_trials(root, seed=settings.seed)
    people = shipped_people(read_manifest(root / "manifest.csv"))
    with progress_over(len(trials.sides), "recordings") as on_side:
        return evaluate(
            trials,
            system,
            SegmentReader(root),
            settings=settings,
            attributes=Attributes(people=people, by=BY),
            cache=VoiceCache(voices / f"audit-{settings.seed}-equivox-{system.version}.npz"),
            on_side=on_side,
        )


def _first_language(clip: Clip) -> str:
    if not clip.language:
        return ""
    return "English" if clip.language == "english" else "other than English"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_root(parser)
    parser.add_argument(
        "--out", type=folder_to_write, default="out/shipped-audit", help="folder for report.json and its page"
    )
    parser.add_argument("--artifact", type=Path, help="folder of the calibration, to be served with it")
    parser.add_argument("--voices", type=Path, default=Path("out/voices"), help="cache of voiceprints")
    parser.add_argument("--seed", type=from_zero, default=0, help="of the trials and the bootstrap")
    chosen = parser.parse_args()
    with mistakes_told(), closing(Application(EquivoxConfig())) as application:
        settings = Settings(seed=chosen.seed)
        evaluation = audit_shipped(application, chosen.root, voices=chosen.voices, settings=settings)
        report = evaluation.as_json() | {"about": ABOUT}
        page = render_page(report)
        write_json(chosen.out / "report.json", report)
        write_text(chosen.out / "report.html", page)
        if chosen.artifact:
            attach(report, page, chosen.artifact)
    print(f"report.html and report.json are in {chosen.out}")


if __name__ == "__main__":
    main()
