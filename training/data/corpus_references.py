"""What was said in a standard corpus, for `equivox evaluate transcription --references`; it lists name and audio.

    python -m training.data.corpus_references --libricss for_release --out libricss.jsonl
    python -m training.data.corpus_references --ami ami_public_manual_1.6.2 --out ami.jsonl
    python -m training.data.corpus_references --librispeechmix dev-clean-2mix.jsonl --audio data --out mixtures.jsonl

A system's transcripts must call its recordings by the names listed. Audio that is not there yet is listed all the same.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from training.command_line import file_to_write, mistakes_told
from training.data.corpora import TranscribedRecording, read_ami_words, read_libricss, read_librispeechmix
from training.data.transcripts import write_transcripts


def main(arguments: Sequence[str] | None = None) -> None:
    options = _options().parse_args(arguments)
    with mistakes_told():
        recordings = _recordings(options)
        write_transcripts(options.out, {recording.name: recording.transcript for recording in recordings})
    for recording in recordings:
        print(f"{recording.name}\t{recording.path}")


def _recordings(options: argparse.Namespace) -> list[TranscribedRecording]:
    if options.libricss:
        return read_libricss(options.libricss)
    if options.ami:
        return read_ami_words(options.ami)
    return read_librispeechmix(options.librispeechmix, options.audio)


def _options() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    corpus = parser.add_mutually_exclusive_group(required=True)
    corpus.add_argument("--libricss", type=Path, metavar="DIR", help="its folder for_release")
    corpus.add_argument("--ami", type=Path, metavar="DIR", help="the manual annotations, with words/")
    corpus.add_argument("--librispeechmix", type=Path, metavar="FILE", help="one of its lists")
    parser.add_argument("--audio", type=Path, default=Path(), help="folder of LibriSpeechMix' audio; default here")
    parser.add_argument("--out", type=file_to_write, required=True, help="file for the references, as JSON lines")
    return parser


if __name__ == "__main__":
    main()
