"""`equivox evaluate verification` as an audit: groups, gaps, foreign scores, VoxCeleb's layout, two systems."""

import json
import math
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from tests.training.fairness.scored_people import halves, llrs_of, trials_of
from training.cli import evaluate_app

TRIALS = trials_of(24, clips=3)
COLOURS = halves(24).columns["colour"]
GREEN = frozenset(person for person, colour in COLOURS.items() if colour == "green")


def scored(path: Path, *, harm: float = 1.5, column: str = "score", seed: int = 1) -> Path:
    """A file of another system's scores, worse for green people: a CSV that names speakers, else lines."""
    table = TRIALS.table()
    rows = list(zip(*table.values(), llrs_of(TRIALS, seed=seed, harm=harm, harmed=GREEN).tolist(), strict=True))
    if path.suffix == ".csv":
        lines = [",".join([*table, column]), *(",".join(map(str, row)) for row in rows)]
    else:
        kinds = ("nontarget", "target")
        lines = [f"{one} {other} {score} {kinds[target]}" for one, other, target, _, _, score in rows]
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.fixture
def people(tmp_path: Path) -> Path:
    rows = [f"{person},{colour},{'fm'[int(person) % 4 < 2]}" for person, colour in COLOURS.items()]
    (tmp_path / "people.csv").write_text("\n".join(["speaker,colour,sex", *rows]) + "\n")
    return tmp_path / "people.csv"


def run(*arguments: object, out: Path) -> Result:
    command = ["verification", *map(str, arguments), "--out", str(out), "--replicas", "40"]
    return CliRunner().invoke(evaluate_app, command, env={"COLUMNS": "200"})


def report(*arguments: object, out: Path) -> dict[str, Any]:
    answer = run(*arguments, out=out)
    assert answer.exit_code == 0, answer.output
    written: dict[str, Any] = json.loads((out / "report.json").read_text())
    return written


def test_a_score_file_is_audited_in_one_command(people: Path, tmp_path: Path) -> None:
    scores = scored(tmp_path / "theirs.csv", column="llr")
    answer = run("--scores", scores, "--people", people, "--by", "colour", "--by", "sex+colour", out=tmp_path / "out")
    assert answer.exit_code == 0, answer.output
    text = " ".join(answer.stdout.split())
    assert "theirs: 72 target and 2484 nontarget trials of 24 speakers; accepted from 0 (policy balanced)" in text
    assert "by colour, trials within" in text
    assert "FNMR %: green over blue by" in text
    assert "GARBE" in text
    assert "nothing to compare" in text
    assert "not compared (too few speakers or trials): f + blue, f + green, m + blue, m + green" in text
    assert "trials are of no group with trials within" in text


def test_lines_of_scores_are_audited_with_a_table_that_says_who_speaks(tmp_path: Path) -> None:
    rows = [f"{side},{unit},{COLOURS[unit]}" for side, unit in zip(TRIALS.sides, TRIALS.units, strict=True)]
    (tmp_path / "sides.csv").write_text("\n".join(["side,speaker,colour", *rows]) + "\n")
    given = ("--people", tmp_path / "sides.csv", "--by", "colour")
    by_lines = report("--scores", scored(tmp_path / "s.txt"), *given, out=tmp_path / "1")
    by_columns = report("--scores", scored(tmp_path / "s.csv"), *given, out=tmp_path / "2")
    assert by_lines["unit"] == "speaker"
    assert by_lines == by_columns
    assert by_lines["gaps"]["colour"]["measures"]["eer"]["surest"]["excludes_zero"] is True


def test_scores_it_wrote_are_audited_again_to_the_same_figures(people: Path, tmp_path: Path) -> None:
    first = report(
        "--scores", scored(tmp_path / "s.csv", column="llr"), "--people", people, "--by", "sex", out=tmp_path / "1"
    )
    again = report("--scores", tmp_path / "1/scores.csv", "--people", people, "--by", "sex", out=tmp_path / "2")
    assert again["gaps"]["sex"]["measures"]["fnmr"]["worst"] == first["gaps"]["sex"]["measures"]["fnmr"]["worst"]
    assert again["by_group"]["sex"]["f"]["eer"]["value"] == pytest.approx(first["by_group"]["sex"]["f"]["eer"]["value"])


def test_what_either_system_refused_is_a_miss_of_its_own(people: Path, tmp_path: Path) -> None:
    after = scored(tmp_path / "after.csv", column="llr")
    head, *rows = after.read_text().splitlines()
    (tmp_path / "before.csv").write_text("\n".join([f"{head},refused", *(f"{row},1" for row in rows)]) + "\n")
    given = ("--scores", after, "--against", tmp_path / "before.csv", "--people", people, "--by", "colour")
    after_rates = report(*given, out=tmp_path / "out")["overall"]
    before_rates = json.loads((tmp_path / "out/before.json").read_text())["overall"]
    assert (before_rates["fmr"]["value"], before_rates["fnmr"]["value"]) == (0, 1)
    assert after_rates["fnmr"]["value"] < 1
    assert before_rates["eer"] == after_rates["eer"]


def test_a_list_tells_what_bare_scores_are_of(people: Path, tmp_path: Path) -> None:
    scored(tmp_path / "list.csv")
    lines = scored(tmp_path / "s.txt").read_text().replace(" nontarget", "").replace(" target", "")
    (tmp_path / "bare.txt").write_text(lines)
    whole = report("--trials", tmp_path / "list.csv", "--scores", tmp_path / "bare.txt", out=tmp_path / "out")
    assert whole["overall"]["n_speakers"] == 24
    assert "no column target" in run("--scores", tmp_path / "bare.txt", out=tmp_path / "out").output


@pytest.mark.parametrize(
    ("option", "source", "value"),
    [(("--threshold", 1.5), "as given", 1.5), (("--policy", "strict"), "policy strict", 4.605)],
)
def test_rates_are_told_at_the_threshold_asked_for(
    option: tuple[str, object], source: str, value: float, tmp_path: Path
) -> None:
    threshold = report("--scores", scored(tmp_path / "s.csv", column="llr"), *option, out=tmp_path / "out")["threshold"]
    band = math.log(2) if source == "policy strict" else 0
    of = {"source": source, "chosen_on_these_trials": False, "inconclusive_band": band}
    assert threshold == {"value": pytest.approx(value, abs=1e-3), **of}


def test_each_way_of_pairing_is_asked_for_by_name(people: Path, tmp_path: Path) -> None:
    given = ("--scores", scored(tmp_path / "s.csv"), "--people", people, "--by", "colour")
    left_out = {
        pairs: report(*given, "--pairs", pairs, out=tmp_path / pairs)["gaps"]["colour"]["n_trials_of_no_group"]
        for pairs in ("within", "cross", "enrolment")
    }
    assert left_out["within"] + left_out["cross"] == 2484
    assert left_out["enrolment"] == 0


def test_two_systems_are_compared_on_the_same_draws(people: Path, tmp_path: Path) -> None:
    before, after = scored(tmp_path / "before.csv"), scored(tmp_path / "after.csv", harm=0.0)
    given = ("--people", people, "--by", "colour", "--against", before)
    answer = run("--scores", after, *given, out=tmp_path / "out")
    changes = json.loads((tmp_path / "out/report.json").read_text())["changes"]
    assert (changes["before"], changes["after"]) == ("before", "after")
    assert changes["by_group"]["colour"]["green"]["eer"]["ci95"][1] < 0
    assert json.loads((tmp_path / "out/before.json").read_text())["system"] == "before"
    assert "after minus before" in answer.stdout
    assert "before is accepted from" in answer.stdout
    assert "(where FMR and FNMR meet, chosen on these very trials)" in answer.stdout
    assert changes["before_threshold"]["chosen_on_these_trials"] is True
    assert "before accepts from" in (tmp_path / "out/report.html").read_text()
    assert "colour, widest gap: EER % -" in answer.stdout


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        (("--by", "shoe"), "nothing is known of 'shoe'; there are colour, sex"),
        (("--by", "sex+"), "--by 'sex+': name a column, or different ones to be crossed"),
        (("--by", "sex+sex"), "--by 'sex+sex': name a column, or different ones to be crossed"),
        (("--by", "sex", "--against", "nowhere.csv"), "no scores at nowhere.csv"),
        (("--by", "sex", "--threshold", "1", "--against", "LIST"), "give --against-threshold too"),
    ],
)
def test_mistakes_are_told_before_anything_is_listened_to(
    asked: tuple[str, ...], told: str, people: Path, tmp_path: Path
) -> None:
    listed = scored(tmp_path / "list.csv")
    audio = ("--trials", listed, "--audio-root", tmp_path / "nowhere", "--people", people)
    answer = run(*audio, *(listed if each == "LIST" else each for each in asked), out=tmp_path / "out")
    assert answer.exit_code == 1
    assert told in answer.output
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("table", "told"),
    [
        ("speaker,sex\n", "tells of nobody"),
        ("speaker,sex\n,male\n", "tells of nobody: no line below its header has a speaker"),
        ("speaker,sex,sex\ns1,male,female\n", "sex stands more than once in the header"),
        ("speaker,sex\n0,f\n0,m\n", "'sex' is not of a person: 0 has several"),
    ],
)
def test_a_table_that_groups_nobody_is_refused(table: str, told: str, tmp_path: Path) -> None:
    (tmp_path / "p.csv").write_text(table)
    answer = run(
        "--scores", scored(tmp_path / "s.csv"), "--people", tmp_path / "p.csv", "--by", "sex", out=tmp_path / "o"
    )
    assert answer.exit_code == 1
    assert told in answer.output


def test_voxceleb_is_audited_from_its_folder_and_scores(tmp_path: Path) -> None:
    meta = [
        f"id{person}\tx\t{'mf'[int(person) % 2]}\t{'USA' if int(person) < 12 else 'UK'}\ttest" for person in COLOURS
    ]
    header = "VoxCeleb1 ID\tVGGFace1 ID\tGender\tNationality\tSet"
    (tmp_path / "vox1_meta.csv").write_text("\n".join([header, *meta]) + "\n")
    table = list(zip(*TRIALS.table().values(), llrs_of(TRIALS, seed=1).tolist(), strict=True))
    (tmp_path / "veri_test2.txt").write_text("".join(f"{k} id{e}.wav id{t}.wav\n" for e, t, k, _, _, _ in table))
    (tmp_path / "s.txt").write_text("".join(f"id{e}.wav id{t}.wav {score}\n" for e, t, _, _, _, score in table))
    told = report(
        "--voxceleb", tmp_path, "--scores", tmp_path / "s.txt", "--min-each-sex", 1, out=tmp_path / "out"
    )  # fmt: skip
    assert {column: [*groups] for column, groups in told["by_group"].items()} == {
        "sex": ["female", "male"],
        "country": ["UK", "USA"],
        "sex+country": ["female + UK", "female + USA", "male + UK", "male + USA"],
    }
    assert told["gaps"]["country"]["compared"] == ["UK", "USA"]


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ((), "give --trials LIST"),
        (("--trials", "l.csv"), "needs --audio-root"),
        (("--scores", "S", "--voices", "kept"), "--voices keeps what is heard, and with --scores nothing is"),
        (("--scores", "S", "--threshold", 1, "--policy", "strict"), "give one"),
        (("--scores", "S", "--threshold", "nan"), "--threshold is a score"),
        (("--scores", "S", "--against-threshold", 1), "give those"),
    ],
)
def test_options_that_can_never_be_right_are_misuse(arguments: tuple[object, ...], named: str, tmp_path: Path) -> None:
    paths = {"S": scored(tmp_path / "s.csv")}
    answer = run(*(paths.get(str(each), each) for each in arguments), "--json", out=tmp_path / "out")
    error = json.loads(answer.stderr)["error"]
    assert (answer.exit_code, error["reason"], answer.stdout) == (2, "USAGE", "")
    assert named in error["message"]
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("--scores", "absent.csv"), "no scores at absent.csv"),
        (("--scores", "S", "--by", "age"), "no column 'age': tell it of people with --people"),
        (("--scores", "S", "--people", "P"), "as in --by sex; "),
        (("--scores", "S", "--people", "P", "--by", "age"), "there are colour, sex"),
        (("--scores", "S", "--people", "STRANGERS", "--by", "sex"), "tells of none of the trials' speakers"),
        (("--scores", "S", "--policy", "strict"), "policy strict needs LLRs"),
        (("--scores", "S", "--threshold", 1, "--against", "S"), "give --against-threshold too"),
    ],
)
def test_mistakes_name_the_remedy(arguments: tuple[object, ...], named: str, people: Path, tmp_path: Path) -> None:
    (tmp_path / "strangers.csv").write_text("speaker,sex\nx,f\n")
    paths = {"S": scored(tmp_path / "s.csv"), "P": people, "STRANGERS": tmp_path / "strangers.csv"}
    answer = run(*(paths.get(str(each), each) for each in arguments), out=tmp_path / "out")
    assert answer.exit_code == 1
    assert named in answer.output
    assert not (tmp_path / "out").exists()


def test_help_teaches_the_three_ways_to_ask() -> None:
    text = CliRunner().invoke(evaluate_app, ["verification", "--help"], env={"COLUMNS": "120"}).stdout
    for word in (
        "--scores FILE --people PEOPLE --by sex",
        "--voxceleb FOLDER",
        "--against",
        "What is judged",
        "Groups",
    ):
        assert word in text


@pytest.mark.parametrize("score", ["1", "inf", "-inf"])
def test_a_system_that_says_the_same_of_everybody_has_a_report(score: str, tmp_path: Path) -> None:
    rows = "".join(f"a{i},b{i % 2 * i},{i % 2},{score}\n" for i in range(1, 9))
    (tmp_path / "s.csv").write_text(f"enrolment,test,target,score\n{rows}a1,b1,1,{score}\n")
    command = ["verification", "--scores", str(tmp_path / "s.csv"), "--out", str(tmp_path / "out"), "--replicas", "5"]
    answer = CliRunner().invoke(evaluate_app, command)
    assert answer.exit_code == 0, answer.output
    assert "1 trials stand more than once" in answer.stderr
    assert "of a recording with itself" not in answer.stderr
    assert {file.name for file in (tmp_path / "out").iterdir()} == {"report.html", "report.json", "scores.csv"}


@pytest.mark.parametrize("options", [("--threshold", "nan"), ("--threshold", "inf"), ("--against-threshold", "1")])
def test_a_setting_that_makes_no_sense_is_named(options: tuple[str, str], tmp_path: Path) -> None:
    (tmp_path / "s.csv").write_text("enrolment,test,target,score\na,b,1,1\na,c,0,0\n")
    command = ["verification", "--scores", str(tmp_path / "s.csv"), "--out", str(tmp_path / "out"), *options]
    answer = CliRunner().invoke(evaluate_app, command)
    assert answer.exit_code == 2
    assert options[0] in answer.output
    assert not (tmp_path / "out").exists()


def test_a_folder_that_can_never_be_written_is_refused_before_the_work(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file")
    answer = run("--trials", tmp_path / "absent.csv", "--audio-root", tmp_path, out=tmp_path / "taken" / "out")
    assert answer.exit_code == 2
    assert f"cannot write in {tmp_path / 'taken/out'}: {tmp_path / 'taken'}: Not a directory" in answer.output
