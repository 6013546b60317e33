"""The audit that ships: of test talkers alone, grouped by what is known of them, and naming no recording."""

import json
from dataclasses import replace
from pathlib import Path

from tests.training.toy_system import SpectrumEmbedder, spectrum_system
from training.audit_shipped import ABOUT, BY, shipped_people, shipped_trials
from training.data.manifest import Clip, read_manifest
from training.data.segments import SegmentReader
from training.evaluate import Attributes, Settings, evaluate
from training.report_page.page import render_page


def talkers(root: Path) -> list[Clip]:
    return [clip for clip in read_manifest(root / "manifest.csv") if clip.corpus == "saa"]


def test_both_conditions_have_the_same_talkers_and_no_groups_of_their_own(corpus_root: Path) -> None:
    trials = shipped_trials(corpus_root, seed=0)
    degraded = ["degrade" in side for side in trials.sides]
    both = [{unit for unit, each in zip(trials.units, degraded, strict=True) if each is kind} for kind in (True, False)]
    assert both[0] == both[1]
    assert trials.groups == {}


def test_people_are_test_talkers_and_the_unknown_stays_unknown(corpus_root: Path) -> None:
    clips = talkers(corpus_root)
    known = [replace(clips[0], language="english", country="usa"), replace(clips[1], language="bengali"), clips[2]]
    people = shipped_people([*known, replace(clips[3], split="train")])
    assert list(people.columns["first language"].values()) == ["English", "other than English", ""]
    assert list(people.columns["country"].values()) == ["usa", "", ""]


def test_nothing_in_report_or_page_names_a_recording_or_a_talker(corpus_root: Path) -> None:
    evaluation = evaluate(
        shipped_trials(corpus_root, seed=0),
        spectrum_system(SpectrumEmbedder()),
        SegmentReader(corpus_root),
        settings=Settings(replicas=2),
        attributes=Attributes(people=shipped_people(talkers(corpus_root)), by=BY),
    )
    report = evaluation.as_json() | {"about": ABOUT}
    for text in (json.dumps(report), render_page(report)):
        assert ABOUT in text
        assert not [name for name in (".wav", ".opus", "saa:", "saa/") if name in text]
