"""The encoder study: which runs it makes, how it judges them, and what its tables conclude."""

import argparse
import random
from dataclasses import asdict, replace
from itertools import pairwise
from pathlib import Path

import pytest
import torch

from svc.backends.protocols import Emission
from svc.backends.transcriber_artifact import load_transcriber
from svc.errors import ArtifactError, InvalidRequestError
from svc.models.amortised_transformer import AmortisedTransformerConfig
from svc.models.chunked_transformer import ChunkedTransformerConfig
from svc.models.encoders import EncoderConfig
from svc.models.lstm_encoder import LstmEncoderConfig
from svc.models.transcriber import Transcriber
from svc.units import START_OF_TURN, WORD_START, Units
from tests.training.data.talkers import talkers
from tests.training.metrics.conversations import turn
from tests.training.test_ablate_transcriber import toy_workshop
from tests.training.toy_transcriber_run import RECIPE, SHORT, toy_data
from training.checkpoint import read_checkpoint
from training.data.conversation_sets import PER_CELL, Conversation
from training.data.mixtures import MixtureSimulator
from training.data.transcripts import Transcript
from training.distributed import World
from training.studies.ablation_run import SCORES, Judging, do, is_done
from training.studies.ablation_scores import Heard, mels_of, score
from training.studies.ablation_variants import Source
from training.studies.encoder_study_runs import Contender, contenders, encoder_runs
from training.studies.encoder_study_scores import (
    EncoderScores,
    TalkerErrors,
    aligned,
    errors_by_talker,
    judged_alone,
    read_encoder_scores,
    streams_of,
)
from training.studies.encoder_study_tables import markdown
from training.study_encoders import check_units, main, parsed, trained_of
from training.train_transcriber import TranscriberTrainer
from training.transcriber_data import DataPaths

pytestmark = pytest.mark.slow  # whole studies

CONFIGS = Path("training/configs")
STUDY = CONFIGS / "encoder-study-commands.toml"
SHIPPED = Path("svc/artifacts/transcriber-english")
UNITS = Units((f"{WORD_START}yes", f"{WORD_START}no", "terday"))
STARTED = (("transformer-8m", ""), ("amortised-8m", "@0"), ("amortised-8m", "@2"))
SKIPS = EncoderConfig(
    kind="amortised",
    amortised=AmortisedTransformerConfig(block_width=8, num_layers=1, num_heads=2, left_context_frames=8, width=8),
)


def contender(name: str, encoder: EncoderConfig, strength: float = 0.0) -> Contender:
    alone = replace(RECIPE, stages=RECIPE.stages[1:2], model=replace(RECIPE.model, encoder=encoder))
    return Contender(encoder=name, recipe=alone, strength=strength)


def scores(errors: int, *, parameters: int = 3_000_000, flops: float = 3e8, first: int = 1) -> EncoderScores:
    """Twelve talkers with a million words each, of ten words so many wrong: in all, but of one by one more (`first`) or
    less than of the next.
    """
    counts = [100_000 * errors + first, 100_000 * errors - first] * 6
    return EncoderScores(
        num_parameters=parameters,
        flops_per_s=flops,
        compute_share=1.0,
        cpu_factor=0.01,
        first_word_delays_s=((0.2,),) * 12,
        talkers=tuple(
            TalkerErrors(domain="commands", speaker=str(number), words=1_000_000, errors=count)
            for number, count in enumerate(counts)
        ),
    )


def twice(one: EncoderScores) -> dict[int, EncoderScores]:
    """Two seeds that came out alike."""
    return {0: one, 1: one}


def test_strengths_are_of_the_encoder_that_skips_alone_and_share_their_start() -> None:
    chosen = contenders(STUDY, [CONFIGS / "encoders" / f"{name}-3m.toml" for name in ("lstm", "amortised")], [0, 2])
    assert [each.name for each in chosen] == ["lstm-3m", "amortised-3m@0", "amortised-3m@2"]
    runs = encoder_runs(chosen, [0, 1])
    assert len(runs) == 2 * (2 + 3)
    finals = [run for run in runs if run.variant == "amortised-3m@2"]
    assert [run.recipe.stages[-1].losses.compute for run in finals] == [2, 2]
    assert {run.starts for run in runs if run.variant == "amortised-3m@0"} == {run.starts for run in finals}


def test_an_encoder_learns_at_each_rate_that_is_asked_for_and_at_the_recipes_as_ever() -> None:
    encoders = [CONFIGS / "encoders" / f"{name}-3m.toml" for name in ("conv-rnn", "lstm")]
    slow, plain = contenders(STUDY, encoders[:1], [0], rates=[0.5, 1.0])
    assert (slow.name, plain.name) == ("conv-rnn-3m-rate-0.5", "conv-rnn-3m")
    for halved, whole in zip(slow.recipe.stages, plain.recipe.stages, strict=True):
        assert halved.learning_rate == whole.learning_rate / 2
        assert halved.last_learning_rate == whole.last_learning_rate / 2
    (as_ever,) = contenders(STUDY, encoders[:1], [0])
    assert [run.name for run in encoder_runs([plain], [0])] == [run.name for run in encoder_runs([as_ever], [0])]
    assert not {run.name for run in encoder_runs([plain], [0])} & {run.name for run in encoder_runs([slow], [0])}
    chosen = contenders(STUDY, encoders, [0], rates=[0.5, 1.0])
    table = markdown(chosen, {each.name: twice(scores(1 + (each.kind == "lstm"))) for each in chosen})
    for conv in ("conv-rnn-3m", "conv-rnn-3m-rate-0.5"):
        for lstm in ("lstm-3m", "lstm-3m-rate-0.5"):
            assert f"| {conv} against {lstm} | -50.0 % [-50.0, -50.0] |" in table


def test_what_skips_is_compared_with_what_learnt_at_its_rate() -> None:
    encoders = [CONFIGS / "encoders" / f"{name}-8m.toml" for name in ("transformer", "amortised")]
    chosen = contenders(STUDY, encoders, [2], rates=[0.5, 1.0])
    rows = markdown(chosen, {each.name: twice(scores(2)) for each in chosen}).splitlines()
    assert [row.split(" | ")[0].removeprefix("| ") for row in rows if " against " in row] == [
        "amortised-8m-rate-0.5@2 against transformer-8m-rate-0.5",
        "amortised-8m@2 against transformer-8m",
    ]


@pytest.mark.parametrize("given", ["0,1", "-1", "nan", "inf", "a", "", "1,1"])
def test_rates_are_positive_and_each_once(given: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        study_from(SHIPPED, "--rates", given)
    assert "argument --rates: " in capsys.readouterr().err


def test_a_run_is_trained_judged_and_kept(tmp_path: Path) -> None:
    (run,) = encoder_runs([contender("toy", SKIPS, strength=1.0)], [0])
    do(run, toy_workshop(tmp_path), judged_alone)
    assert is_done(run, tmp_path)
    found = read_encoder_scores(tmp_path / run.name / SCORES)
    assert found is not None
    assert len(found.first_word_delays_s) == 2
    assert sum(one.words for one in found.talkers) > 0
    assert 0 < found.compute_share <= 1
    assert found.cpu_factor > 0


def heard(reference: Transcript, *tokens: tuple[str, int]) -> Heard:
    """(piece or <sot>, frame) on channel 0."""
    ids = UNITS.ids() | {"<sot>": START_OF_TURN}
    row = tuple(Emission(ids[piece], frame) for piece, frame in tokens)
    return Heard(reference=reference, emissions=(row, ()), num_frames=150, frame_s=0.04, delay_s=0.1)


def test_every_first_word_has_its_own_delay_however_soon_the_next_turn_comes() -> None:
    said = ("yes", "no", "yes")
    late = heard(
        tuple(turn(text, 1 + 0.75 * number, 1.5 + 0.75 * number) for number, text in enumerate(said)),
        *[(f"{WORD_START}{text}", round((1.9 + 0.75 * number - 0.1) / 0.04) - 1) for number, text in enumerate(said)],
    )
    assert list(aligned(late, UNITS).first_word_delays_s()) == pytest.approx([0.4] * 3, abs=0.02)


def test_the_first_word_begins_with_its_first_piece_and_no_turn_border() -> None:
    tokens = (("<sot>", 24), (f"{WORD_START}yes", 39), ("terday", 41), (f"{WORD_START}no", 44))
    found = heard((turn("yesterday no", 1.0, 1.7),), *tokens)
    (first, _) = found.reference[0].words
    assert list(aligned(found, UNITS).first_word_delays_s()) == pytest.approx([40 * 0.04 + 0.1 - first.end_s])


def test_a_first_word_that_was_not_heard_has_no_delay_and_one_heard_wrong_has() -> None:
    reference = (turn("no yes", 1.0, 1.8), turn("yes", 3.0, 3.5), turn("yes", 4.0, 4.5))
    tokens = ((f"{WORD_START}yes", 44), (f"{WORD_START}no", 90))
    assert list(aligned(heard(reference, *tokens), UNITS).first_word_delays_s()) == pytest.approx(
        [91 * 0.04 + 0.1 - 3.5]
    )
    assert list(aligned(heard(reference), UNITS).first_word_delays_s()) == []


def test_every_error_is_of_who_said_the_word_or_was_nearest_to_it() -> None:
    """The first word is heard as another, the second not at all; then one is put in."""
    one, two = turn("no", 1.0, 1.5, speaker="A"), turn("no", 2.0, 2.4, speaker="B")
    reference = (one, two, turn("yes no", 3.0, 4.0, speaker="A"))
    found = heard(reference, *[(f"{WORD_START}yes", frame) for frame in (36, 86)], (f"{WORD_START}no", 98))
    by_talker = errors_by_talker([("digits", aligned(found, UNITS)), ("phrases", aligned(heard(reference[:1]), UNITS))])
    assert [(one.domain, one.speaker, one.words, one.errors) for one in by_talker] == [
        ("digits", "A", 3, 1),
        ("digits", "B", 1, 1),
        ("phrases", "A", 1, 1),
    ]
    more = heard((two,), (f"{WORD_START}no", 57), (f"{WORD_START}yes", 70))
    assert [one.errors for one in errors_by_talker([("digits", aligned(more, UNITS))])] == [1]


def test_errors_of_talkers_are_those_of_whole_conversations() -> None:
    said = [turn("yes no", at, at + 0.9, speaker="AB"[at % 2]) for at in range(1, 5)]
    generator = random.Random(0)
    for _ in range(20):
        frames = sorted(generator.sample(range(20, 150), 8))
        found = heard(tuple(said), *[(f"{WORD_START}{generator.choice(('yes', 'no'))}", frame) for frame in frames])
        by_talker = errors_by_talker([("digits", aligned(found, UNITS))])
        whole = score("digits-0S-00", found, UNITS, pause_s=1.0, turn_tokens=False)
        assert sum(one.errors for one in by_talker) == whole.errors


def test_counts_from_before_talkers_were_told_apart_are_refused(tmp_path: Path) -> None:
    (tmp_path / SCORES).write_text('{"first_word_delays_s": [], "conversations": []}')
    with pytest.raises(ArtifactError, match="no counts by talker: delete it"):
        read_encoder_scores(tmp_path / SCORES)


def test_time_is_taken_on_speech_from_the_first_conversation_to_the_last() -> None:
    model = Transcriber(replace(RECIPE.model, num_tokens=len(UNITS)))
    conversations = [
        Conversation(
            uri=str(seed), domain="phrases", condition="0S", recipe=MixtureSimulator(talkers(), SHORT).draw(seed)
        )
        for seed in range(40)
    ]
    test = Judging(conversations=conversations, sounds=toy_data().sounds)
    speech = torch.cat([mels_of(model, conversation, test.sounds)[0] for conversation in conversations])
    rows = streams_of(model, test)
    pieces = speech.unfold(0, rows.shape[1], 1).transpose(1, 2)
    starts = [next(start for start, piece in enumerate(pieces) if torch.equal(piece, row)) for row in rows]
    assert (starts[0], starts[-1]) == (0, len(pieces) - 1)
    apart = {after - before for before, after in pairwise(starts)}
    assert max(apart) - min(apart) <= 1


def test_a_rival_is_one_of_the_same_size() -> None:
    chosen = [
        contender("conv-rnn-3m", EncoderConfig(kind="conv_rnn")),
        contender("lstm-3m", EncoderConfig(kind="lstm")),
        contender("lstm-8m", EncoderConfig(kind="lstm", lstm=LstmEncoderConfig(width=9))),
    ]
    table = markdown(
        chosen,
        {
            "conv-rnn-3m": {0: scores(1), 1: scores(1)},
            "lstm-3m": {0: scores(2), 1: scores(2)},
            "lstm-8m": {0: scores(2, parameters=8_000_000)},
        },
    )
    assert "| conv-rnn-3m against lstm-3m | -50.0 % [-50.0, -50.0] | holds here |" in table
    assert "against lstm-8m" not in table


@pytest.mark.parametrize(
    ("flops", "errors", "told"),
    [
        (2e8, 2, "does not hold here: it saves less"),
        (1.22e8, 2, "does not hold here: it saves less"),
        (1.2009e8, 2, "holds here"),
        (1e8, 2, "holds here"),
        (1e8, 3, "does not hold here: it loses more words"),
    ],
)
def test_a_claim_of_compute_is_of_both_work_and_words(flops: float, errors: int, told: str) -> None:
    chosen = [contender("whole", EncoderConfig()), contender("skips", SKIPS, strength=2.0)]
    table = markdown(chosen, {"whole": twice(scores(2)), "skips@2": twice(scores(errors, flops=flops, first=-1))})
    assert f"| {told} |" in table


def test_compute_is_counted_against_the_transformer_that_looks_back_furthest() -> None:
    far, near = (EncoderConfig(), EncoderConfig())
    near = replace(near, transformer=replace(near.transformer, left_context_frames=8))
    chosen = [contender("whole", far), contender("window", near), contender("skips", SKIPS, strength=2.0)]
    finished = {"window": twice(scores(3)), "skips@2": twice(scores(2, flops=1.2e8, first=-1))}
    table = markdown(chosen, {"whole": twice(scores(2))} | finished)
    assert "| skips@2 against whole | 120 | 60 | 0.0100 | 0 | +0.0 % [-0.0, +0.0] | holds here |" in table
    assert "against" not in markdown(chosen, finished), "a window is nothing to compare with, even if alone"
    assert "| window against whole | 300 | 0 | 0.0100 | 0 | +50.0 % [+50.0, +50.0] | holds here, as large" in table
    assert "| skips@2 against window | 120 | 60 | 0.0100 | 0 | -33.3 % [-33.3, -33.3] | - |" in table


@pytest.mark.parametrize(
    ("flops", "errors", "told"),
    [
        (2.5e8, 3, "does not hold here: it saves more"),
        (2.6e8, 3, "holds here, as large as claimed or larger"),
        (3e8, 1, "does not hold here: it is the other way round"),
        (3e8, 2, "does not hold here: the interval includes zero and not the claim"),
    ],
)
def test_the_claim_of_a_window_is_of_work_and_words_too(flops: float, errors: int, told: str) -> None:
    near = EncoderConfig(transformer=ChunkedTransformerConfig(left_context_frames=8))
    chosen = [contender("whole", EncoderConfig()), contender("window", near)]
    table = markdown(chosen, {"whole": twice(scores(2)), "window": twice(scores(errors, flops=flops, first=-1))})
    assert f"| {told} |" in table


def test_a_window_is_one_beside_an_encoder_that_skips_and_looks_back_further() -> None:
    near = EncoderConfig(transformer=ChunkedTransformerConfig(left_context_frames=8))
    far = replace(SKIPS, amortised=replace(SKIPS.amortised, left_context_frames=96))
    chosen = [contender("window", near), contender("skips", far, strength=2.0)]
    assert "against" not in markdown(chosen, {"window": twice(scores(3)), "skips@2": twice(scores(2))})


def test_starts_are_trained_apart_and_compared() -> None:
    starts = ("standardised", "whisper-tiny.en")
    chosen = contenders(STUDY, [CONFIGS / "encoders" / "transformer-8m.toml"], [0], starts)
    assert [each.recipe.start for each in chosen] == list(starts)
    plain, whisper = (each.name for each in chosen)
    runs = encoder_runs(chosen, [0])
    assert {run.variant: run.recipe.start for run in runs if run.variant} == {plain: starts[0], whisper: starts[1]}
    assert len({run.starts for run in runs if run.variant}) == 2
    table = markdown(chosen, {plain: twice(scores(4)), whisper: twice(scores(1))})
    assert f"| {whisper} against {plain} | -75.0 % [-75.0, -75.0] |" in table


def artifact(fingerprint: str) -> Source:
    return Source(folder=SHIPPED, fingerprint=fingerprint)


def test_what_goes_on_from_an_artifact_is_named_by_its_weights(tmp_path: Path) -> None:
    toy = contender("toy", SKIPS)
    found = [encoder_runs([toy], [0], trained=it)[0] for it in (artifact("one"), artifact("other"), None)]
    assert [run.folders(tmp_path) for run in found] == [{"recogniser": SHIPPED}, {"recogniser": SHIPPED}, {}]
    assert len({run.name for run in found}) == 3


LSTM = EncoderConfig(kind="lstm", lstm=LstmEncoderConfig(hidden_width=8, num_layers=1, width=8))


def test_two_encoders_of_one_name_are_refused(tmp_path: Path) -> None:
    known = CONFIGS / "encoders" / "lstm-3m.toml"
    with pytest.raises(InvalidRequestError, match=r"two encoders are named lstm-3m, .* rename one"):
        contenders(STUDY, [known, tmp_path / known.name], [0])


def study_from(artifact: Path, *options: str) -> argparse.Namespace:
    encoders = ("--encoders", str(CONFIGS / "encoders" / "transformer-8m.toml"))
    data = ("--utterances", "none", "--units", "none", "--out", "none")
    return parsed([str(STUDY), *encoders, *data, "--recogniser", str(artifact), *options])


def test_where_encoders_start_is_said_once(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        study_from(SHIPPED, "--starts", "random,standardised")
    assert "argument --starts: not allowed with argument --recogniser" in capsys.readouterr().err


def test_an_artifact_takes_the_place_of_every_start() -> None:
    assert trained_of(study_from(SHIPPED)) == artifact(load_transcriber(SHIPPED).fingerprint)
    with pytest.raises(ArtifactError, match="not a transcriber"):
        trained_of(study_from(SHIPPED.with_name("calibration-campplus")))


def test_units_other_than_the_artifact_s_are_refused_before_any_run(tmp_path: Path) -> None:
    trained = artifact("one")
    (tmp_path / "units.txt").write_text("a\t-1\n")
    paths = DataPaths(utterances=tmp_path, units=tmp_path / "units.txt", root=tmp_path, cache=tmp_path)
    with pytest.raises(InvalidRequestError, match="--units are not those of"):
        check_units(paths, trained)
    check_units(replace(paths, units=SHIPPED), trained)
    check_units(paths, None)


def test_with_a_stage_before_the_last_that_stage_goes_on_from_the_artifact(tmp_path: Path) -> None:
    chosen = contenders(STUDY, [CONFIGS / "encoders" / "transformer-8m.toml"], [0])
    first, last = encoder_runs(chosen, [0], trained=artifact("one"))
    assert first.folders(tmp_path) == {"recogniser": SHIPPED}
    assert last.folders(tmp_path) == {"recogniser": tmp_path / first.name}


def test_an_encoder_that_skips_goes_on_from_one_that_does_not(tmp_path: Path) -> None:
    sizes = asdict(SKIPS.amortised)
    whole = {name: sizes[name] for name in ChunkedTransformerConfig.__dataclass_fields__}
    encoder = EncoderConfig(kind="transformer", transformer=ChunkedTransformerConfig(**whole))
    (known,) = encoder_runs([contender("whole", encoder)], [0])
    shop = toy_workshop(tmp_path)
    do(known, shop, judged_alone)
    (run,) = encoder_runs([contender("skips", SKIPS)], [1])
    trainer = TranscriberTrainer(run.recipe, shop.data_of(run.recipe), out=tmp_path / "skips", world=World())
    trainer.start(recogniser=tmp_path / known.name)
    told = read_checkpoint(tmp_path / known.name)
    assert told is not None
    named = dict(trainer.model.named_parameters())
    taken = {name for name in named.keys() & told.averaged.keys() if not name.startswith("separator.")}
    assert all(torch.equal(named[name], told.averaged[name]) for name in taken)
    assert {name.split(".")[-3] for name in named.keys() - told.averaged.keys()} == {"attention_gate", "mlp_gate"}


def test_only_encoders_of_one_start_are_compared_for_what_they_skip() -> None:
    starts = ("random", "standardised")
    encoders = [CONFIGS / "encoders" / f"{name}-8m.toml" for name in ("transformer", "amortised")]
    chosen = contenders(STUDY, encoders, [0, 2], starts)
    rows = markdown(chosen, {each.name: {0: scores(2)} for each in chosen}).splitlines()
    compared = [row.split(" | ")[0].removeprefix("| ") for row in rows if " against " in row]
    of_starts = [f"{name}-from-standardised{at} against {name}-from-random{at}" for name, at in STARTED]
    skipping = [f"amortised-8m-from-{one}@{at} against transformer-8m-from-{one}" for one in starts for at in (0, 2)]
    assert compared == skipping + of_starts


def test_more_conversations_than_there_are_cannot_be_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    assert study_from(SHIPPED, "--per-cell", str(PER_CELL)).per_cell == PER_CELL
    with pytest.raises(SystemExit, match="2"):
        study_from(SHIPPED, "--per-cell", str(PER_CELL + 1))
    assert "argument --per-cell: must be 1 to 20, not 21" in capsys.readouterr().err


def test_the_table_needs_no_data(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    nowhere = str(tmp_path / "none")
    paths = ("--utterances", nowhere, "--units", nowhere, "--out", nowhere)
    for starts in ([], ["--starts", "random,standardised"]):
        with pytest.raises(SystemExit) as ended:
            main([str(STUDY), "--encoders", str(CONFIGS / "encoders" / "lstm-3m.toml"), *starts, *paths, "--table"])
        assert ended.value.code == 0
        assert "no finished run yet" in capsys.readouterr().out
