"""Open-set identification: the right person, or nobody, or an honest doubt."""

import math
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from svc.errors import FingerprintMismatchError, InvalidRequestError, ProfileNotFoundError
from svc.pipelines.ranking import largest_llr, open_set_policy
from svc.scoring.policy import NAMED_POLICIES, Policy
from svc.types import Decision, Reason, Voiceprint
from tests.pipelines.enrolled_voices import (
    TENANT,
    Service,
    chord,
    clip_of,
    hummed,
    toy_calibration,
    with_cohort,
)
from tests.profiles.voices import let_expire

BALANCED = NAMED_POLICIES["balanced"]
ANYBODY = Policy(policy_id="anybody", threshold_llr=-1000.0)


@pytest.fixture
def people(service: Service) -> Service:
    """Eight enrolled people."""
    for person in range(8):
        service.add(f"p{person}", clip_of(person, take=0), clip_of(person, take=1))
    return service


def test_an_enrolled_person_is_found(people: Service) -> None:
    answer = people.identifier.identify(TENANT, clip_of(3, take=9), BALANCED)
    assert [match.profile_id for match in answer.matches] == ["p3"]
    assert (answer.decision, answer.reasons, answer.num_searched) == (Decision.ACCEPT, (), 8)
    assert answer.policy_id == "balanced"
    assert answer.net_speech_s == pytest.approx(2.5, abs=0.3)


def test_a_stranger_is_nobody(people: Service) -> None:
    answer = people.identifier.identify(TENANT, clip_of(100), BALANCED)
    assert (answer.matches, answer.decision) == ((), Decision.REJECT)


def test_with_nobody_enrolled_everyone_is_a_stranger(service: Service) -> None:
    answer = service.identifier.identify(TENANT, clip_of(1), BALANCED)
    assert (answer.matches, answer.decision, answer.num_searched) == ((), Decision.REJECT, 0)


def test_the_llr_is_the_one_verify_gives(people: Service) -> None:
    test = people.extractor.extract(clip_of(3, take=9)).voiceprint
    matches = people.identifier.identify(TENANT, test, ANYBODY, max_matches=8).matches
    assert len(matches) == 8
    for match in matches:
        verification = people.verifier.compare(people.store.voiceprint(TENANT, match.profile_id), test, BALANCED)
        assert match.llr == pytest.approx(verification.llr, abs=1e-4)


def test_with_a_cohort_too_the_llr_is_the_one_verify_gives(tmp_path: Path) -> None:
    service, plain = Service(tmp_path / "with", calibration=with_cohort(toy_calibration())), toy_calibration()
    for person in range(4):
        service.add(f"p{person}", clip_of(person, take=0))
    test = service.extractor.extract(clip_of(3, take=9)).voiceprint
    matches = service.identifier.identify(TENANT, test, ANYBODY, max_matches=4).matches
    assert len(matches) == 4
    for match in matches:
        enrolled = service.store.voiceprint(TENANT, match.profile_id)
        verification = service.verifier.compare(enrolled, test, BALANCED)
        assert match.llr == pytest.approx(verification.llr, abs=1e-4)
        assert verification.llr != pytest.approx(plain.llr_of(verification.score, enrolled, test), abs=0.01)
    service.close()


def test_margins_lead_to_the_next_best_even_beyond_the_answer(people: Service) -> None:
    test = people.extractor.extract(clip_of(3, take=9)).voiceprint
    everyone = people.identifier.identify(TENANT, test, ANYBODY, max_matches=8).matches
    (best,) = people.identifier.identify(TENANT, test, ANYBODY, max_matches=1).matches
    assert best == everyone[0]
    for match, behind in pairwise(everyone):
        assert match.margin == pytest.approx(match.llr - behind.llr)
    assert everyone[-1].margin == math.inf


def test_two_equal_matches_are_ambiguous(people: Service) -> None:
    people.add("twin", clip_of(3, take=0), clip_of(3, take=1))
    answer = people.identifier.identify(TENANT, clip_of(3, take=9), BALANCED)
    assert {match.profile_id for match in answer.matches} == {"p3", "twin"}
    assert (answer.decision, answer.reasons) == (Decision.INCONCLUSIVE, (Reason.AMBIGUOUS,))


def test_poor_speech_is_inconclusive_whoever_it_is(people: Service) -> None:
    for person in (3, 100):
        answer = people.identifier.identify(TENANT, clip_of(person, speech_s=0.6), BALANCED)
        assert (answer.decision, answer.reasons[0]) == (Decision.INCONCLUSIVE, Reason.TOO_LITTLE_SPEECH)


def test_an_llr_near_the_raised_threshold_is_inconclusive(people: Service) -> None:
    test = people.extractor.extract(clip_of(3, take=9)).voiceprint
    best = people.identifier.identify(TENANT, test, ANYBODY, max_matches=1).matches[0]
    policy = replace(BALANCED, threshold_llr=best.llr - math.log(8) - 0.1)
    answer = people.identifier.identify(TENANT, test, policy)
    assert answer.threshold_llr == pytest.approx(best.llr - 0.1)
    assert (answer.decision, answer.reasons) == (Decision.INCONCLUSIVE, (Reason.NEAR_THRESHOLD,))


def test_a_restricted_search_sees_only_those_and_asks_for_less(people: Service) -> None:
    test = people.extractor.extract(clip_of(3, take=9)).voiceprint
    among = people.identifier.identify(TENANT, test, BALANCED, profile_ids=("p3", "p4", "p3"))
    without = people.identifier.identify(TENANT, test, BALANCED, profile_ids=("p1", "p4"))
    assert ([match.profile_id for match in among.matches], among.num_searched) == (["p3"], 2)
    assert among.threshold_llr == pytest.approx(math.log(2))
    assert without.matches == ()
    with pytest.raises(ProfileNotFoundError, match="p99"):
        people.identifier.identify(TENANT, test, BALANCED, profile_ids=("p3", "p99"))


def test_the_excluded_profile_is_not_searched(people: Service) -> None:
    test = people.store.voiceprint(TENANT, "p3")
    answer = people.identifier.identify(TENANT, test, ANYBODY, max_matches=100, exclude_profile_id="p3")
    assert "p3" not in {match.profile_id for match in answer.matches}
    assert answer.num_searched == len(answer.matches) == 7


def test_expired_and_deleted_profiles_are_not_searched(people: Service) -> None:
    people.add("brief", clip_of(20))
    people.store.delete(TENANT, "p3")
    assert people.identifier.identify(TENANT, clip_of(20, take=9), BALANCED).matches
    let_expire(people.store, "brief")
    answer = people.identifier.identify(TENANT, clip_of(20, take=9), BALANCED)
    assert (answer.matches, answer.num_searched) == ((), 7)
    assert people.identifier.identify(TENANT, clip_of(3, take=9), BALANCED).matches == ()


def test_another_tenant_finds_nobody(people: Service) -> None:
    answer = people.identifier.identify("other", clip_of(3, take=9), BALANCED)
    assert (answer.matches, answer.num_searched) == ((), 0)


@pytest.mark.parametrize("max_matches", [0, -1, 101])
def test_max_matches_out_of_range_is_refused(service: Service, max_matches: int) -> None:
    with pytest.raises(InvalidRequestError, match="max_matches"):
        service.identifier.identify(TENANT, clip_of(1), BALANCED, max_matches=max_matches)


def test_another_models_voice_is_refused(people: Service) -> None:
    voice: Voiceprint = replace(people.store.voiceprint(TENANT, "p1"), model_fingerprint="f" * 16)
    with pytest.raises(FingerprintMismatchError, match="embed it again"):
        people.identifier.identify(TENANT, voice, BALANCED)


def test_many_alike_come_best_first_and_no_more_than_asked(people: Service) -> None:
    for number in range(1, 8):
        mixed = chord(3) + 0.05 * number * chord(50 + number)
        people.add(f"like-{number}", hummed(mixed))
    answer = people.identifier.identify(TENANT, clip_of(3, take=9), BALANCED, max_matches=4)
    llrs = [match.llr for match in answer.matches]
    assert len(llrs) == 4
    assert llrs == sorted(llrs, reverse=True)
    assert answer.matches[0].profile_id == "p3"


@given(st.integers(1, 10**7), st.floats(-5, 10), st.floats(0, 2))
def test_the_raised_threshold_lies_between_the_policys_and_the_reachable(n: int, threshold: float, band: float) -> None:
    policy, calibration = Policy(policy_id="any", threshold_llr=threshold, inconclusive_band=band), toy_calibration()
    raised = open_set_policy(policy, n, calibration).threshold_llr
    assert threshold <= raised <= max(threshold, threshold + math.log(n)) + 1e-9
    assert raised + band < largest_llr(calibration) or raised == threshold


def test_one_profile_asks_what_verify_asks() -> None:
    assert open_set_policy(BALANCED, 1, toy_calibration()) == BALANCED
