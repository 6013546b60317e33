"""The options of `equivox evaluate verification`, each with what it is for. Nothing heavy is imported here."""

from collections.abc import Callable
from dataclasses import MISSING, dataclass, fields
from functools import wraps
from inspect import Parameter, Signature
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

WHAT, GROUPS, WHERE = "What is judged", "Groups", "Threshold"
BESIDE, HOW = "Beside another system", "Intervals and output"

Trials = Annotated[
    Path | None,
    typer.Option(
        rich_help_panel=WHAT,
        help="CSV: enrolment,test,target[,enrolment_speaker,test_speaker][,groups]; or lines `enrolment test target`.",
    ),
]
AudioRoot = Annotated[
    Path | None, typer.Option(rich_help_panel=WHAT, help="Folder the paths in the list are relative to.")
]
Scores = Annotated[
    Path | None,
    typer.Option(
        rich_help_panel=WHAT,
        help="What any system said, no audio needed: a CSV with a column score, or llr (natural logarithm), or lines "
        "`enrolment test score target`. Without --trials it must tell the target itself.",
    ),
]
VoxCeleb = Annotated[
    Path | None,
    typer.Option(rich_help_panel=WHAT, help="VoxCeleb1 as it is given out: vox1_meta.csv, veri_test2.txt, .., wav/."),
]
VoxCelebList = Annotated[
    str, typer.Option("--list", rich_help_panel=WHAT, help="Of VoxCeleb1: O, E, H, or O-original, ..")
]
Config = Annotated[
    Path | None, typer.Option(rich_help_panel=WHAT, help="The server's TOML: models, calibration, policy.")
]
Voices = Annotated[
    Path | None,
    typer.Option(
        rich_help_panel=WHAT,
        help="Folder to keep voiceprints in: a stopped run goes on, and the next one need not listen again. They are "
        "biometric data: delete it when done.",
    ),
]

PeopleTable = Annotated[
    Path | None,
    typer.Option(
        rich_help_panel=GROUPS,
        help="CSV: speaker (or side; or both, to say who speaks where), sex, country, .. any columns. "
        "A manifest of recordings will do.",
    ),
]
By = Annotated[
    list[str] | None,
    typer.Option(rich_help_panel=GROUPS, help="A column of --people; sex+country crosses two. Once for each."),
]
PairsOf = Annotated[
    Literal["within", "cross", "enrolment"],
    typer.Option(
        rich_help_panel=GROUPS,
        help="Strangers a group is tried with: of the group (the hardest), of any other, or anybody.",
    ),
]
MinPeople = Annotated[
    int, typer.Option(min=1, rich_help_panel=GROUPS, help="Countries of fewer are pooled into their UN region.")
]
MinEachSex = Annotated[
    int, typer.Option(min=0, rich_help_panel=GROUPS, help="Or with fewer of either sex, where sexes are known.")
]

ThresholdAt = Annotated[
    float | None,
    typer.Option(
        "--threshold", rich_help_panel=WHERE, help="The score from which you accept; FMR and FNMR are told there."
    ),
]
PolicyName = Annotated[
    str | None,
    typer.Option(
        "--policy",
        rich_help_panel=WHERE,
        help="In its place a policy of the service: balanced, strict, lenient, or one of --config.",
    ),
]

Against = Annotated[
    Path | None,
    typer.Option(
        rich_help_panel=BESIDE, help="Scores of the same trials by the system that came before: paired differences."
    ),
]
AgainstThreshold = Annotated[
    float | None, typer.Option(rich_help_panel=BESIDE, help="Its threshold, where its scores are of another scale.")
]

Seed = Annotated[int, typer.Option(min=0, rich_help_panel=HOW, help="Of the bootstrap.")]
Replicas = Annotated[
    int, typer.Option(min=0, rich_help_panel=HOW, help="Bootstrap draws; 0 = 1000, fewer on vast lists.")
]
Out = Annotated[Path, typer.Option(rich_help_panel=HOW, help="Folder for report.html, report.json and scores.csv.")]
AsJson = Annotated[
    bool, typer.Option("--json", rich_help_panel=HOW, help="Print the report as JSON instead of tables.")
]


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditOptions:
    """All of them, as given."""

    trials: Trials = None
    audio_root: AudioRoot = None
    scores: Scores = None
    voxceleb: VoxCeleb = None
    list_name: VoxCelebList = "O"
    config: Config = None
    voices: Voices = None
    people: PeopleTable = None
    by: By = None
    pairs: PairsOf = "within"
    min_people: MinPeople = 10
    min_each_sex: MinEachSex = 5
    threshold: ThresholdAt = None
    policy: PolicyName = None
    against: Against = None
    against_threshold: AgainstThreshold = None
    seed: Seed = 0
    replicas: Replicas = 0
    out: Out
    as_json: AsJson = False


def command_of(app: typer.Typer, name: str) -> Callable[[Callable[[AuditOptions], None]], Callable[..., None]]:
    """Registers `function(AuditOptions)` under a name, each field an option of its own."""

    def register(function: Callable[[AuditOptions], None]) -> Callable[..., None]:
        @wraps(function)
        def run(**given: Any) -> None:  # noqa: ANN401 - checked by typer against the signature below
            function(AuditOptions(**given))

        parameters = [
            Parameter(
                each.name,
                Parameter.KEYWORD_ONLY,
                default=Parameter.empty if each.default is MISSING else each.default,
                annotation=each.type,
            )
            for each in fields(AuditOptions)
        ]
        # typer reads both.
        run.__signature__ = Signature(parameters)  # type: ignore[attr-defined]
        run.__annotations__ = {each.name: each.annotation for each in parameters}
        app.command(name)(run)
        return run

    return register
