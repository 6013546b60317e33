"""Makes the utterances that train the transcriber: every English corpus of the manifest, words with times.

    python -m training.data.align --out FOLDER [--workers 1] [--corpora saa,wuw] [--limit N]
    python -m training.data.align --out FOLDER --librispeech LIBRISPEECH

Writes FOLDER/utterances.jsonl, and FOLDER/recordings.jsonl with one line a recording that was aligned: what was kept
and why the rest was not. A run that was broken off goes on from there; nothing is drawn at random. Splits are those of
the manifest. Dev and test talkers' words are those of judged_alignment.jsonl, the same on any machine.
"""

import argparse
import os
import threading
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import lru_cache, partial
from multiprocessing import get_context, parent_process
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from svc.backends.store import ModelStore
from svc.backends.whisper import MODEL_NAME, WhisperRecogniser
from svc.config import default_cache
from training.command_line import folder_to_write, mistakes_told, positive
from training.data.corpora import read_librispeech
from training.data.corpus_readings import Aligner
from training.data.judged_alignment import RECORD, record, recorded_outcomes
from training.data.manifest import Clip, data_root
from training.data.read_recordings import CORPORA, Outcome, clips_to_read, outcomes_of, read_recording
from training.data.utterances import Utterance, write_utterances

CHUNK = 8


def align(
    clips: Sequence[Clip],
    root: Path,
    out: Path,
    *,
    make_aligner: Callable[[], Aligner],
    workers: int = 1,
    known: Mapping[str, Outcome] | None = None,
) -> list[Outcome]:
    """Reads what is neither `known`, by path, nor read yet and writes utterances.jsonl; outcomes in the clips' order.

    With several workers each calls `make_aligner`, a function of a module.
    """
    out.mkdir(parents=True, exist_ok=True)
    journal = out / "recordings.jsonl"
    known = known or {}
    done = {path: outcome for path, outcome in outcomes_of(journal).items() if path not in known}
    todo = [clip for clip in clips if clip.path not in done and clip.path not in known]
    # Rewritten, so that neither a half line nor an older version stands in front of what is appended.
    journal.write_text("".join(outcome.line() + "\n" for outcome in done.values()), encoding="utf-8")
    with journal.open("a", encoding="utf-8") as file:
        for outcome in _shown(_read_all(todo, root, make_aligner, workers), len(todo)):
            file.write(outcome.line() + "\n")
            file.flush()
            done[outcome.path] = outcome
    done |= known
    outcomes = [done[clip.path] for clip in clips]
    write_utterances(out / "utterances.jsonl", (kept for outcome in outcomes for kept in outcome.utterances))
    return outcomes


def whisper() -> WhisperRecogniser:
    """From the model cache. Raises ModelUnavailableError when it has not been pulled."""
    return WhisperRecogniser(ModelStore(default_cache()).path(MODEL_NAME))


# One a process: a model takes longer to load than a recording to read.
_aligner_of = lru_cache(1)(lambda make_aligner: make_aligner())


def _read_one(clip: Clip, root: Path, make_aligner: Callable[[], Aligner]) -> Outcome:
    return read_recording(clip, root, _aligner_of(make_aligner))


def _read_all(
    clips: Sequence[Clip], root: Path, make_aligner: Callable[[], Aligner], workers: int
) -> Iterator[Outcome]:
    read = partial(_read_one, root=root, make_aligner=make_aligner)
    if workers == 1:
        yield from map(read, clips)
        return
    # A fresh process: CTranslate2's threads do not survive a fork.
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn"), initializer=end_with_parent) as pool:
        yield from pool.map(read, clips, chunksize=CHUNK)


def end_with_parent() -> None:
    """Of a worker: a parent that is killed by a signal tells nobody, and a worker would wait for work for ever."""
    parent = parent_process()

    def watch() -> None:
        if parent is not None:
            parent.join()
            os._exit(1)

    threading.Thread(target=watch, name="parent", daemon=True).start()


def _shown(outcomes: Iterable[Outcome], total: int) -> Iterator[Outcome]:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task("aligning", total=total)
        for outcome in outcomes:
            progress.update(task, advance=1, description=f"aligning {outcome.corpus}")
            yield outcome


def summary(outcomes: Sequence[Outcome]) -> list[Table]:
    """Hours by domain and split, and what was not believed by corpus."""
    rejects = Table("corpus", "reason", "phrases", "of", title="left out")
    counts = Counter((outcome.corpus, reason) for outcome in outcomes for reason in outcome.reasons)
    totals = Counter({outcome.corpus: 0 for outcome in outcomes})
    for outcome in outcomes:
        totals[outcome.corpus] += len(outcome.utterances) + len(outcome.reasons)
    for (corpus, reason), count in sorted(counts.items()):
        rejects.add_row(corpus, reason, str(count), str(totals[corpus]))
    return [hours_table(kept for outcome in outcomes for kept in outcome.utterances), rejects]


def hours_table(utterances: Iterable[Utterance]) -> Table:
    """By domain and split, with whose and how many they are."""
    hours = Table("domain", "split", "utterances", "speakers", "words", "hours", title="kept")
    groups: dict[tuple[str, str], list[Utterance]] = defaultdict(list)
    for utterance in utterances:
        groups[utterance.domain, utterance.split].append(utterance)
    for (domain, split), kept in sorted(groups.items()):
        speakers = len({utterance.speaker for utterance in kept})
        words = sum(len(utterance.words) for utterance in kept)
        length_h = sum(utterance.duration_s for utterance in kept) / 3600
        hours.add_row(domain, split, str(len(kept)), str(speakers), str(words), f"{length_h:.3f}")
    return hours


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--out", type=folder_to_write, required=True, help="folder for utterances.jsonl, outside the repository"
    )
    parser.add_argument("--workers", type=positive, default=1, help="processes of one thread each")
    parser.add_argument("--corpora", default=",".join(CORPORA), help="which, by commas")
    parser.add_argument("--librispeech", type=Path, help="read this copy of LibriSpeech instead of the manifest")
    parser.add_argument("--limit", type=positive, help="recordings of each corpus, to try things")
    parser.add_argument(
        "--record", action="store_true", help=f"align dev and test talkers too and write {RECORD.name} anew"
    )
    options = parser.parse_args(arguments)
    root = options.librispeech or data_root()
    with mistakes_told():
        if options.librispeech:
            clips = read_librispeech(root)[: options.limit]
        else:
            clips = clips_to_read(root, options.corpora.split(","), options.limit)
        whisper()  # what is missing should be said at once, not by a worker
        known = {} if options.record else recorded_outcomes(clips)
        outcomes = align(clips, root, options.out, make_aligner=whisper, workers=options.workers, known=known)
        if options.record:
            record(clips, outcomes)
    console = Console()
    for table in summary(outcomes):
        console.print(table)


if __name__ == "__main__":
    main()
