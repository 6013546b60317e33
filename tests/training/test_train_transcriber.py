"""The transcriber's trainer on synthetic talkers: resumed = uninterrupted, two processes = one, what stages train."""

import hashlib
import json
import math
from dataclasses import asdict, replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile
import torch
from torch import Tensor

from svc.errors import ArtifactError, InvalidRequestError
from svc.models.amortised_transformer import AmortisedTransformerConfig
from svc.models.encoders import ENCODER_KINDS, EncoderConfig
from svc.models.transcriber import Transcriber
from svc.units import END_OF_TURN, START_OF_TURN
from tests.models.toy_transcriber import toy_config
from tests.training.data.talkers import talkers
from tests.training.processes import on_processes
from tests.training.toy_transcriber_run import APART, BANDED, RECIPE, SHORT, toy_data, trainer_at
from training.data.manifest import DEV, TRAIN
from training.data.mixtures import MixtureConfig
from training.data.units import write_units
from training.data.utterances import write_utterances
from training.distributed import World
from training.train_transcriber import TranscriberTrainer
from training.training_curves import TrainingCurves
from training.transcriber_card import data_of, licence_of, limits_of
from training.transcriber_data import VALIDATION_SEED, DataPaths, TranscriberData, mixture_seed
from training.transcriber_recipe import Stage, TranscriberRecipe, read_recipe
from training.transcriber_step import TrainingStep, bf16_pays
from training.transcriber_validation import validate
from training.transcription_results import CELL, FIGURES, figures_of, read_figures

CONFIGS = Path(__file__).parents[2] / "training/configs"


def weights_after(recipe: TranscriberRecipe, out: Path) -> dict[str, Tensor]:
    trainer = trainer_at(recipe, out)
    trainer.start()
    trainer.run(None)
    return trainer.model.state_dict()


def cut_after(recipe: TranscriberRecipe, out: Path, steps: int) -> None:
    """Trains until a crash after so many steps of which the last checkpoint knows."""
    trainer = trainer_at(recipe, out)
    trainer.start()
    for _ in range(steps):
        number, done = recipe.stage_at(trainer.step)
        next(trainer.stage_steps(number, done))
    trainer.save()


@pytest.mark.parametrize("steps", [1, 3])
def test_a_resumed_run_ends_with_the_same_bits(tmp_path: Path, steps: int) -> None:
    cut_after(RECIPE, tmp_path / "cut", steps)
    resumed, whole = weights_after(RECIPE, tmp_path / "cut"), weights_after(RECIPE, tmp_path / "whole")
    for name, value in whole.items():
        torch.testing.assert_close(resumed[name], value, rtol=0, atol=0, msg=name)


def test_each_stage_trains_its_part_only(tmp_path: Path) -> None:
    masks = replace(RECIPE, stages=(RECIPE.stages[0],))
    before = trainer_at(masks, tmp_path / "unused")
    before.start()
    first = {name: value.clone() for name, value in before.model.state_dict().items()}
    after = weights_after(masks, tmp_path / "masks")
    changed = {name.split(".")[0] for name, value in after.items() if not torch.equal(value, first[name])}
    assert changed == {"separator"}


@pytest.mark.parametrize("kind", ENCODER_KINDS)
def test_every_encoder_is_trained_resumed_and_validated(tmp_path: Path, kind: str) -> None:
    model = replace(RECIPE.model, encoder=toy_config(kind).encoder)
    recipe = replace(RECIPE, model=model, stages=(replace(RECIPE.stages[1], steps=2),), validation_mixtures=1)
    cut_after(recipe, tmp_path / "cut", 1)
    resumed, whole = weights_after(recipe, tmp_path / "cut"), weights_after(recipe, tmp_path / "whole")
    for name, value in whole.items():
        torch.testing.assert_close(resumed[name], value, rtol=0, atol=0, msg=name)
    trainer = trainer_at(recipe, tmp_path / "whole")
    trainer.start()
    assert trainer.validated(recipe.stages[0])


@pytest.mark.parametrize(("transducer", "heard"), [(1.0, 2), (0.0, 0)])
def test_words_are_counted_where_they_can_be_decoded(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], transducer: float, heard: int
) -> None:
    stage = replace(RECIPE.stages[1], steps=2, losses=replace(BANDED, transducer=transducer))
    recipe = replace(RECIPE, stages=(stage,), validate_every=1, validation_mixtures=1)
    trainer = trainer_at(recipe, tmp_path)
    trainer.start()
    with TrainingCurves(tmp_path / "curves", total_steps=2, first_step=0) as curves:
        trainer.run(curves)
    assert capsys.readouterr().err.count("dev: wer") == heard


@pytest.mark.parametrize("separated", [True, False])
def test_validation_hears_where_the_model_is(separated: bool) -> None:
    """A device without values gets as far as the search, which is the first to ask for one."""
    data = toy_data()
    model = Transcriber(replace(RECIPE.model, num_tokens=data.num_tokens)).eval().to("meta")
    with pytest.raises(NotImplementedError, match="nonzero"):
        validate(model, data.validation(SHORT, 2), data.runtime_units, separated=separated)


def test_a_standardised_start_hears_mels_of_mean_0_and_deviation_1(tmp_path: Path) -> None:
    trainer = trainer_at(replace(RECIPE, start="standardised"), tmp_path)
    trainer.start()
    separator, encoder = trainer.model.separator, trainer.model.encoder
    mels = torch.randn(1, 4, 80) * separator.deviation + separator.mean
    torch.testing.assert_close(
        encoder.map_input(mels), (mels - separator.mean) / separator.deviation, atol=1e-4, rtol=1e-4
    )
    assert separator.deviation.std() > 0


def test_mean_and_deviation_of_mels_are_exact_and_none_is_blown_up(monkeypatch: pytest.MonkeyPatch) -> None:
    mels = np.random.default_rng(0).normal(-7.0, 3.0, (30_000, 80)).astype(np.float32)
    mels[:, 0] = -11.5
    data, separator = toy_data(), Transcriber(replace(RECIPE.model, num_tokens=4)).separator
    monkeypatch.setattr(TranscriberData, "of_everybody", lambda *_: iter([SimpleNamespace(mels=mels)]))
    data.set_statistics(SimpleNamespace(separator=separator), SHORT)  # type: ignore[arg-type]
    exact = mels.astype(np.float64)
    np.testing.assert_allclose(separator.mean.numpy(), exact.mean(0), rtol=3e-7)
    np.testing.assert_allclose(separator.deviation.numpy()[1:], exact.std(0)[1:], rtol=3e-7)
    assert separator.deviation[0] == pytest.approx(0.1)


def test_an_amortised_encoder_is_trained_on_what_it_computes(tmp_path: Path) -> None:
    sizes = AmortisedTransformerConfig(block_width=8, num_heads=2, num_layers=1, left_context_frames=2, width=8)
    model = replace(RECIPE.model, encoder=EncoderConfig(kind="amortised", amortised=sizes))
    stage = replace(RECIPE.stages[1], losses=replace(BANDED, compute=1.0))
    trainer = trainer_at(replace(RECIPE, model=model, stages=(stage,)), tmp_path)
    trainer.start()
    terms = next(trainer.stage_steps(0, 0))
    assert 0 < terms["compute"] < 1


def test_arbitrators_are_new_in_an_encoder_that_was_trained_and_learn_as_fast_as_what_is(tmp_path: Path) -> None:
    sizes = AmortisedTransformerConfig(block_width=8, num_heads=2, num_layers=1, left_context_frames=2, width=8)
    model = replace(RECIPE.model, encoder=EncoderConfig(kind="amortised", amortised=sizes))
    optimiser = replace(RECIPE.optimiser, encoder_rate=0.5)
    trainer = trainer_at(replace(RECIPE, model=model, optimiser=optimiser), tmp_path)
    share_of = {id(one): group["share"] for group in trainer.optimizer.param_groups for one in group["params"]}
    slower = {name for name, one in trainer.model.named_parameters() if share_of[id(one)] == 0.5}
    encoders = {name for name, _ in trainer.model.named_parameters() if name.startswith("encoder.")}
    assert slower == {name for name in encoders if "_gate." not in name} < encoders


@pytest.mark.parametrize(
    ("has", "auto"), [({"amx_bf16": True}, True), ({"avx512_bf16": True, "amx_bf16": False}, True), ({}, False)]
)
def test_it_trains_in_bfloat16_where_the_processor_has_it_or_as_told(
    has: dict[str, bool], auto: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: has)
    chosen = [bf16_pays(precision, torch.device("cpu")) for precision in ("auto", "bf16", "fp32")]
    assert chosen == [auto, True, False]


def test_silent_channels_may_be_left_out(tmp_path: Path) -> None:
    trainer = trainer_at(replace(RECIPE, stages=(replace(RECIPE.stages[2], silent_share=0.01),)), tmp_path)
    trainer.start()
    terms = next(trainer.stage_steps(0, 0))
    assert terms["transducer"] > 0
    assert terms["separation"] > 0


def test_the_separator_learns_of_silent_channels_too(tmp_path: Path) -> None:
    one_voice = replace(RECIPE.stages[2], mixtures=replace(SHORT, talkers=(1, 1)))
    trainer = trainer_at(replace(RECIPE, stages=(one_voice,)), tmp_path)
    trainer.start()
    batch = next(trainer.data.batches(one_voice, 0, first_step=0, world=trainer.world))
    assert not batch.target_lengths[:, 1].any()
    step = TrainingStep(trainer.model)
    some, every = (step(batch, replace(one_voice, silent_share=share)).separation for share in (1e-9, 1.0))
    torch.testing.assert_close(some, every)


@pytest.mark.parametrize("trains", ["separator", "recogniser"])
def test_silent_channels_are_only_left_out_where_all_is_trained(trains: str) -> None:
    with pytest.raises(ValueError, match="silent_share is of a stage that trains"):
        replace(RECIPE.stages[2], trains=trains, silent_share=0.5)


def test_a_checkpoint_of_another_recipe_is_refused(tmp_path: Path) -> None:
    cut_after(RECIPE, tmp_path, 1)
    with pytest.raises(ArtifactError, match="give another --out"):
        trainer_at(replace(RECIPE, seed=1), tmp_path).start()


def test_a_torn_checkpoint_is_named(tmp_path: Path) -> None:
    cut_after(RECIPE, tmp_path, 1)
    whole = (tmp_path / "checkpoint.pt").read_bytes()
    (tmp_path / "checkpoint.pt").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ArtifactError, match="is broken"):
        trainer_at(RECIPE, tmp_path).start()


def test_a_card_claims_no_origin_its_weights_cannot_have() -> None:
    study = Path("training/configs/encoder-study.toml")
    conv_rnn = read_recipe(study, encoder=Path("training/configs/encoders/conv-rnn-3m.toml"))
    shipped = read_recipe(Path("training/configs/english-turns.toml"))
    assert "Whisper" not in licence_of(conv_rnn)
    assert "the transformer encoder began as that of Whisper" in licence_of(shipped)
    assert "may, by the run it goes on from" in licence_of(read_recipe(Path("training/configs/english-digits.toml")))
    assert "libri" in data_of(shipped)
    assert "libri" not in data_of(conv_rnn)
    assert "One talker at a time" in limits_of(conv_rnn, separator=None)
    assert "At most two" in limits_of(conv_rnn, separator=Path("masks"))


def test_a_separator_that_nothing_teaches_gives_all_to_one_channel(tmp_path: Path) -> None:
    alone = trainer_at(replace(RECIPE, stages=RECIPE.stages[1:2]), tmp_path)
    alone.start()
    mels = (torch.randn(1, 40, 80) * 3 - 7).clamp(min=-15)
    masked = alone.model.separate_whole(mels).masked
    torch.testing.assert_close(masked[:, 0], mels, atol=1e-4, rtol=0)
    assert masked[:, 1].max() < -10


def test_a_step_that_is_not_a_number_leaves_no_trace(tmp_path: Path) -> None:
    """Running means of batch norms are moved in the forward pass, before anything is known to be wrong."""
    model = replace(RECIPE.model, encoder=toy_config("conv_rnn").encoder)
    trainer = trainer_at(replace(RECIPE, model=model, stages=RECIPE.stages[1:2]), tmp_path)
    trainer.start()
    before = {name: value.clone() for name, value in trainer.model.state_dict().items()}
    batch = next(trainer.data.batches(RECIPE.stages[1], 0, first_step=0, world=World()))
    batch.mels[0, 3] = torch.inf
    figures = trainer._optimise(batch, RECIPE.stages[1])
    assert not math.isfinite(figures["gradient"])
    for name, value in trainer.model.state_dict().items():
        if value.is_floating_point():
            torch.testing.assert_close(value, before[name], atol=0, rtol=0, msg=name)


@pytest.mark.parametrize(("text", "told"), [("a,b", "is not JSON"), ("{}", "is no report of training.benchmark")])
def test_a_report_of_something_else_is_named(text: str, told: str, tmp_path: Path) -> None:
    (tmp_path / "r.json").write_text(text)
    with pytest.raises(InvalidRequestError, match=rf"r\.json {told}"):
        read_figures(tmp_path / "r.json")


def test_domains_nobody_was_heard_in_are_told() -> None:
    mixtures = replace(RECIPE.stages[0].mixtures, domains=("phrases", "phrazes"), domain_weights=(1.0, 1.0))
    (line,) = toy_data().passed_over([replace(RECIPE.stages[0], mixtures=mixtures)])
    assert line.startswith("stage masks passes over domains of which there is no train utterance: phrazes; there are ")


@pytest.mark.parametrize("domain", [None, "digits"])
def test_a_stage_no_dev_talker_speaks_in_is_not_validated(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], domain: str | None
) -> None:
    data = toy_data()
    dev = [replace(spoken, domain=domain) for spoken in data.utterances[DEV]] if domain else []
    phrases = replace(APART, domains=("phrases",), domain_weights=(1.0,))
    stage = replace(RECIPE.stages[1], mixtures=phrases)
    recipe = replace(RECIPE, stages=(stage,), validate_every=1)
    data = replace(data, utterances={**data.utterances, DEV: dev})
    trainer = TranscriberTrainer(recipe, data, out=tmp_path, world=World())
    trainer.start()
    assert capsys.readouterr().err == "stage turns is not validated: there is no dev utterance of its domains\n"
    with TrainingCurves(tmp_path / "curves", total_steps=1, first_step=0) as curves:
        trainer.run(curves)
    assert "dev:" not in capsys.readouterr().err


@pytest.mark.slow
def test_speech_without_a_manifest_is_learnt_from_without_noise(tmp_path: Path) -> None:
    """As a copy of LibriSpeech is."""
    (spoken, *_), noisy = talkers(), replace(RECIPE.stages[0], mixtures=MixtureConfig())
    soundfile.write(tmp_path / "a.flac", np.full(round(16_000 * spoken.end_s), 0.1), 16_000)
    write_utterances(tmp_path / "utterances.jsonl", [replace(spoken, path="a.flac", split=TRAIN)])
    write_units(tmp_path / "units.txt", toy_data().units)
    paths = DataPaths(
        utterances=tmp_path / "utterances.jsonl", units=tmp_path / "units.txt", root=tmp_path, cache=tmp_path / "cache"
    )
    data = TranscriberData.open(paths, seed=0, workers=0)
    assert data.noises == []
    assert "stage masks has no noise: the folder of the speech has no manifest.csv with any" in [
        *data.passed_over([noisy])
    ]


def test_the_card_holds_the_report_s_figures_and_what_they_rest_on() -> None:
    cell = {"n_recordings": 3, "n_words": 40, "n_turns": 6, "orc_wer": {"value": 0.1, "ci95": None}}
    rest = {name: {"value": None, "ci95": None} for name in FIGURES if name != "orc_wer"}
    ours = {"system": "equivox", "overall": cell | rest, "by_group": {CELL: {"digits, 0L": cell | rest}}}
    other = {"system": "whisper", "overall": {}, "by_group": {}}
    plain = {"n_recordings": 3, "n_words": 40, "n_turns": 6, "orc_wer": 0.1}
    assert figures_of({"systems": [other, ours]}) == {"figures": {"all": plain, "digits, 0L": plain}}


@pytest.mark.slow
def test_two_processes_learn_what_one_with_the_doubled_batch_does(tmp_path: Path) -> None:
    """While each draws noise of its own."""
    for processes in (1, 2):
        on_processes("tests.training.toy_transcriber_run", processes, tmp_path / str(processes), timeout_s=240)
    one, two = (torch.load(tmp_path / name / "losses.pt", weights_only=True) for name in ("1", "2"))
    torch.testing.assert_close(two, one, rtol=1e-4, atol=1e-5)
    first, second = (torch.load(tmp_path / "2" / f"noise-{rank}.pt", weights_only=True) for rank in (0, 1))
    assert not torch.equal(first, second)


def test_every_rank_draws_noise_of_its_own_and_anew_at_every_start(tmp_path: Path) -> None:
    """But the first on a CPU, which goes on from where it was."""
    made, began, again = [], [], []
    for rank in range(3):
        trainer = trainer_at(RECIPE, tmp_path / str(rank), World(rank=rank))
        made.append(torch.get_rng_state())
        trainer.start()
        began.append(torch.get_rng_state())
        trainer.step = 1
        trainer.save()
        trainer.start()
        again.append(torch.get_rng_state())
    assert torch.equal(began[0], made[0])
    assert torch.equal(again[0], made[0])
    assert len({bytes(state.numpy()) for state in began + again[1:]}) == 5


def test_stages_of_one_name_and_seed_alone_draw_the_same_mixtures() -> None:
    """Stages of one training may be runs of their own, each the first of its recipe."""
    seeds = [mixture_seed(seed, number, name) for seed in (0, 1) for number in (0, 1) for name in ("masks", "turns")]
    assert len(set(seeds)) == len(seeds)
    assert min(seeds) > VALIDATION_SEED + 1


def test_the_learning_rate_rises_then_goes_straight_from_first_to_last() -> None:
    stages = (Stage(name="a", steps=10, learning_rate=1.0, last_learning_rate=0.5), Stage(name="b", steps=10))
    recipe = replace(RECIPE, stages=stages, optimiser=replace(RECIPE.optimiser, warmup_steps=4))
    assert [round(recipe.learning_rate_at(step), 3) for step in (0, 1, 4, 8)] == [0.25, 0.475, 0.8, 0.6]
    assert recipe.learning_rate_at(10) == stages[1].learning_rate


def test_a_recipe_without_turn_tokens_is_trained_on_words_alone() -> None:
    borders = torch.tensor([START_OF_TURN, END_OF_TURN])
    stage = RECIPE.stages[-1]
    for turn_tokens in (True, False):
        batch = next(toy_data(turn_tokens=turn_tokens).batches(stage, 0, first_step=0, world=World()))
        assert torch.isin(batch.targets, borders).any() == turn_tokens


def test_validation_does_not_depend_on_switches_of_the_recipe() -> None:
    plain, switched = toy_data(seed=0), toy_data(seed=1, turn_tokens=False)
    pair = zip(plain.validation(SHORT, 3), switched.validation(SHORT, 3), strict=True)
    assert all(one.recipe == other.recipe for one, other in pair)


def test_every_key_of_a_recipe_changes_its_digest() -> None:
    fixed = (*RECIPE.stages[:-1], replace(RECIPE.stages[-1], fixed_mixtures=3))
    changed = {replace(RECIPE, turn_tokens=False).digest, replace(RECIPE, stages=fixed).digest}
    assert len(changed | {RECIPE.digest}) == 3


def test_keys_that_came_later_leave_the_digests_of_earlier_runs_alone() -> None:
    content = asdict(RECIPE)
    for later in ("cohort_width", "voice_width", "voice_embedder"):
        del content["model"][later]
    earlier = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]
    assert RECIPE.digest == earlier
    assert replace(RECIPE, model=replace(RECIPE.model, cohort_width=3)).digest != earlier


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("*.toml")), ids=lambda path: path.stem)
def test_the_recipes_in_the_repository_are_read(path: Path) -> None:
    assert read_recipe(path).num_steps > 0
