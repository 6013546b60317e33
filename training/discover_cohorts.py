"""Finds whom a recogniser serves worst, by voice, by label and by region: `python -m training.discover_cohorts ..`.

    python -m training.discover_cohorts --errors errors.jsonl --voices voices.npz --by embedding --by sex \\
        --by country --by sex+age --by region-tree --out FOLDER

Errors are those of training.recognise_utterances, voices those of training.embed_speakers, labels those of the
manifest. FOLDER gets report.json, its page report.html, report.md, and for every kind the file of its cohorts, which
hold everybody who can be placed. With --before the cohorts are found by the errors of the earlier system, and the
report says what has changed.
"""

import argparse
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from svc.errors import InvalidRequestError
from training.cohort_tables import cohorts_table, comparisons_table, summary_table
from training.command_line import add_root, folder_to_write, from_zero, mistakes_told, positive
from training.data.manifest import read_manifest
from training.embed_speakers import read_voices
from training.fairness.cohorts.changes import Heard, check_paired, cohort_changes
from training.fairness.cohorts.cohort import write_cohorts
from training.fairness.cohorts.finders import EmbeddingFinder, Finder, found_cohorts
from training.fairness.cohorts.held_out import LuckConfig
from training.fairness.cohorts.metadata import known_people, metadata_finder, region_finder
from training.fairness.cohorts.ranking import rank
from training.fairness.cohorts.region_tree import MAX_LEAVES
from training.fairness.cohorts.report import Discovery
from training.fairness.cohorts.speaker_errors import HeardUtterances, SpeakerErrors
from training.fairness.groups import COUNTRY, People, read_people
from training.metrics.resampling import REPLICAS
from training.report_json import write_json, write_text
from training.report_page.recognition import render_recognition
from training.tables import progress_over
from training.utterance_errors import UtteranceErrors, read_errors

EMBEDDING, REGION_TREE = "embedding", "region-tree"
CLUSTERS = (8,)


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorsOf:
    """What one system made of the utterances."""

    system: str
    utterances: Sequence[UtteranceErrors]


def discover(
    now: ErrorsOf,
    finders: Sequence[Finder],
    country_of: Mapping[str, str],
    *,
    config: LuckConfig,
    replicas: int = REPLICAS,
    before: ErrorsOf | None = None,
) -> Discovery:
    """Every kind of cohorts ranked; halves hold as many of each domain and country.

    Raises InvalidRequestError unless the system before heard the same utterances.
    """
    utterances = HeardUtterances(now.utterances)
    after, old = _heard(utterances, replicas, config.seed), None
    if before:
        earlier = HeardUtterances(before.utterances)
        check_paired(earlier, utterances)
        old = _heard(earlier, replicas, config.seed)
    strata, found_on = [*_strata(after.errors, country_of)], old.errors if old else None
    rankings = []
    with progress_over(len(finders), "kinds") as on_kind:
        for finder in finders:
            rankings.append(rank(finder, after.errors, after.drawn, strata=strata, config=config, found_on=found_on))
            on_kind()
    changes = None
    if old:
        changes = {
            ranking.kind: cohort_changes(ranking, old, after, finder=finder, strata=strata, config=config)
            for finder, ranking in zip(finders, rankings, strict=True)
        }
    return Discovery(
        system=now.system,
        transcriber=now.utterances[0].transcriber,
        heard=utterances,
        drawn=after.drawn,
        rankings=rankings,
        config=config,
        before=before.system if before else "",
        changes=changes,
    )


def markdown(discovery: Discovery) -> str:
    """A summary, the first kind beside the others, then the cohorts of each kind."""
    changes = discovery.changes or {}
    parts = [summary_table(discovery)]
    if compared := comparisons_table(discovery):
        parts.append(compared)
    for ranking in discovery.rankings:
        unplaced = f"; {ranking.n_unplaced} speakers of none" if ranking.n_unplaced else ""
        parts += [f"By {ranking.kind}{unplaced}:", cohorts_table(ranking, changes.get(ranking.kind))]
    return "\n\n".join(parts) + "\n"


def write_discovery(discovery: Discovery, finders: Sequence[Finder], out: Path) -> None:
    """report.json, report.html, report.md, and cohorts/KIND.json for each kind."""
    report = discovery.as_json()
    write_json(out / "report.json", report)
    write_text(out / "report.html", render_recognition(report))
    write_text(out / "report.md", markdown(discovery))
    for finder, ranking in zip(finders, discovery.rankings, strict=True):
        cohorts = found_cohorts(finder, ranking.rule, discovery.heard.speakers)
        write_cohorts(out / "cohorts" / f"{finder.kind}.json", cohorts)


def main(arguments: Sequence[str] | None = None) -> None:
    options = _options().parse_args(arguments)
    with mistakes_told():
        now = _errors_of(options.errors, options.domains)
        before = _errors_of(options.before, options.domains) if options.before else None
        people = known_people(read_manifest(options.root / "manifest.csv"))
        speakers = sorted({one.speaker for one in now.utterances})
        finders = [finder for name in options.by for finder in _finders(name, people, speakers, options)]
        config = LuckConfig(
            least_speakers=options.least_speakers, deals=options.deals, splits=options.splits, seed=options.seed
        )
        countries = people.columns[COUNTRY]
        discovery = discover(now, finders, countries, config=config, replicas=options.replicas, before=before)
        write_discovery(discovery, finders, options.out)
    print(json.dumps(discovery.as_json(), indent=2) if options.json else markdown(discovery))


def _errors_of(path: Path, domains: Sequence[str] | None) -> ErrorsOf:
    kept = [one for one in read_errors(path) if not domains or one.domain in domains]
    if not kept:
        raise InvalidRequestError(f"{path} holds no utterance of {', '.join(domains or ['anybody'])}", field="errors")
    return ErrorsOf(system=path.stem, utterances=kept)


def _heard(utterances: HeardUtterances, replicas: int, seed: int) -> Heard:
    return Heard(errors=utterances.by_speaker(), drawn=utterances.drawn(replicas, seed=seed))


def _finders(name: str, people: People, speakers: Sequence[str], options: argparse.Namespace) -> Iterator[Finder]:
    if name == EMBEDDING:
        if options.voices is None:
            raise InvalidRequestError("--by embedding needs --voices FILE", field="voices")
        voices = read_voices(options.voices)
        if voices.of.keys().isdisjoint(speakers):
            raise InvalidRequestError(f"{options.voices} knows none of the speakers", field="voices")
        for count in options.clusters:
            yield EmbeddingFinder(voices=voices.of, count=count, seed=options.seed, embedder=voices.embedder)
    elif name == REGION_TREE:
        finer = read_people(options.places) if options.places else None
        yield region_finder(people, max_leaves=options.leaves, finer=finer)
    else:
        yield metadata_finder(name, people, speakers, least_speakers=options.least_speakers)


def _strata(errors: SpeakerErrors, country_of: Mapping[str, str]) -> Iterator[str]:
    for speaker, words in zip(errors.speakers, errors.words, strict=True):
        spoken = [domain for domain, count in zip(errors.domains, words, strict=True) if count]
        yield f"{' '.join(spoken)} {country_of.get(speaker, '')}"


def _options() -> argparse.ArgumentParser:
    luck = LuckConfig()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--errors", type=Path, required=True, help="errors.jsonl of the system asked about")
    parser.add_argument("--before", type=Path, help="errors.jsonl of an earlier system on the same utterances")
    parser.add_argument("--voices", type=Path, help="voices.npz, for --by embedding")
    parser.add_argument(
        "--by",
        action="append",
        required=True,
        help="embedding, region-tree, or country, language, native, sex, age, or several of these crossed: sex+age",
    )
    parser.add_argument(
        "--clusters", nargs="+", type=positive, default=CLUSTERS, help="cohorts by voice, once for each"
    )
    parser.add_argument("--leaves", type=positive, default=MAX_LEAVES, help="of the region tree at most")
    parser.add_argument(
        "--places", type=Path, help="CSV of speaker, longitude, latitude: where in the country, for region-tree"
    )
    parser.add_argument("--domains", nargs="+", help="default all; their effect is taken out")
    add_root(parser)
    parser.add_argument(
        "--least-speakers", type=positive, default=luck.least_speakers, help="of a cohort to be compared"
    )
    parser.add_argument("--replicas", type=positive, default=REPLICAS, help="draws for intervals")
    parser.add_argument("--deals", type=positive, default=luck.deals, help="of errors anew, for what chance shows")
    parser.add_argument("--splits", type=positive, default=luck.splits, help="in halves, for the held-out check")
    parser.add_argument("--seed", type=from_zero, default=0)
    parser.add_argument("--out", type=folder_to_write, required=True, help="folder for reports and cohorts")
    parser.add_argument("--json", action="store_true", help="print the report instead of the tables")
    return parser


if __name__ == "__main__":
    main()
