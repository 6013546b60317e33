"""Bytes nobody should send, through parsing, conversion and a servicer: `python -m tests.fuzz.messages --runs 100000`.

Whatever comes, a call must end in a response that serialises or in a ServiceError that has a status. Inputs are valid
requests with fields replaced by odd values, or with bytes flipped, cut and spliced; every tenth is pure noise. With
`--engine atheris` libFuzzer chooses the mutations by coverage instead.
"""

import argparse
import math
import random
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import FunctionType
from typing import Any

import numpy as np
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import DecodeError, Message

from equivox.v1.audio_pb2 import PCM_ENCODING_MULAW, PCM_ENCODING_S16LE, Audio, PcmAudio
from equivox.v1.diarization_pb2 import DiarizeRequest
from equivox.v1.embeddings_pb2 import EmbedRequest
from equivox.v1.profiles_pb2 import (
    CreateRequest,
    DeleteRequest,
    EnrollRequest,
    ExportRequest,
    GetRequest,
    ProfilesListRequest,
)
from equivox.v1.verification_pb2 import CostPolicy, IdentifyRequest, Policy, VerifyRequest, Voice
from svc.config import AudioConfig
from svc.errors import ServiceError
from svc.rpc.diarization import DiarizationServicer
from svc.rpc.embeddings import EmbeddingsServicer
from svc.rpc.offload import Offload
from svc.rpc.profiles import ProfilesServicer
from svc.rpc.status import trailing_details
from svc.rpc.verification import VerificationServicer
from tests.bench.clips import wav
from tests.fuzz.rounds import in_a_folder, run_all
from tests.rpc.speech import voice
from tests.rpc.tiny_application import TinyApplication, tiny_config

# Small, so that a hundred thousand inputs take minutes; every path is the product's all the same.
LIMITS = AudioConfig(max_bytes=2**17, max_duration_s=3.0)
MAX_MUTATIONS = 8
REPORT_EVERY = 10_000


ODD_TEXTS = ["", " ", "ann", "a/b", "\0", "\u202e", "x" * 300, "../ann", "strict", "0" * 32]
ODD_FLOATS = [0.0, -0.0, 1.0, -1.0, 0.5, 1e-40, 1e38, 1e300, -1e300, math.inf, -math.inf, math.nan]
REQUESTS: tuple[type[Message], ...] = (
    EmbedRequest,
    VerifyRequest,
    IdentifyRequest,
    CreateRequest,
    EnrollRequest,
    GetRequest,
    ProfilesListRequest,
    DeleteRequest,
    ExportRequest,
    DiarizeRequest,
)


class Harness:
    """The blocking half of every method that reads a request, around tiny models."""

    def __init__(self, folder: Path) -> None:
        self.application = TinyApplication(tiny_config(folder, audio=LIMITS))
        self.offload = Offload(light_threads=1, heavy_threads=1)
        self.outcomes: Counter[str] = Counter()
        embeddings = EmbeddingsServicer(self.application, self.offload)
        verification = VerificationServicer(self.application, self.offload)
        profiles = ProfilesServicer(self.application, self.offload)
        diarization = DiarizationServicer(self.application, self.offload)
        self.work: tuple[Callable[[Any], Message], ...] = (
            embeddings.embed,
            verification.verify,
            verification.identify,
            profiles.create,
            profiles.enroll,
            profiles.get,
            profiles.list,
            profiles.delete,
            profiles.export,
            diarization.diarize,
        )

    def run(self, data: bytes) -> None:
        """The first byte chooses the method, the rest is the request. Raises what would be a bug."""
        number = data[0] % len(REQUESTS) if data else 0
        try:
            request = REQUESTS[number].FromString(data[1:])
        except DecodeError:
            self.outcomes["not a message"] += 1
            return
        try:
            self.work[number](request).SerializeToString()
        except ServiceError as error:
            trailing_details(error)
            self.outcomes[error.reason] += 1
        else:
            self.outcomes["answered"] += 1

    def seeds(self) -> list[bytes]:
        """Valid requests, with the byte that chooses their method."""
        return [bytes([REQUESTS.index(type(request))]) + request.SerializeToString() for request in valid_requests()]

    def close(self) -> None:
        self.application.close()
        self.offload.close()


def valid_requests() -> Iterator[Message]:
    """One or more of each method, short of any length that would slow the fuzzing."""
    samples = voice("ann", seconds=0.7)
    s16 = (samples * 2**15).astype("<i2").tobytes()
    audios = [
        Audio(container=wav(samples)),
        Audio(pcm=PcmAudio(encoding=PCM_ENCODING_S16LE, sample_rate_hz=16_000, samples=s16)),
        Audio(pcm=PcmAudio(encoding=PCM_ENCODING_MULAW, sample_rate_hz=8000, num_channels=2, samples=s16), channel=1),
    ]
    costs = Policy(costs=CostPolicy(prior=0.1, cost_false_accept=1, cost_false_reject=2, inconclusive_band=0.5))
    for audio in audios:
        yield EmbedRequest(audio=audio)
        yield EnrollRequest(profile_id="ann", utterances=[audio], idempotency_key="key")
        yield VerifyRequest(enrolment=Voice(audio=audio), test=Voice(profile_id="ann"), policy=costs)
        yield IdentifyRequest(test=Voice(audio=audio), max_matches=3, profile_ids=["ann", "ben"])
        yield DiarizeRequest(audio=audio, max_speakers=3, with_embeddings=True, identify=True)
    create = CreateRequest(profile_id="ann", display_name="Ann", consent_reference="paper")
    create.expire_time.seconds = 4_000_000_000
    yield create
    yield CreateRequest(consent_reference="paper")
    yield GetRequest(profile_id="ann")
    yield ProfilesListRequest(page_size=2)
    yield ExportRequest(profile_id="ann")
    yield DeleteRequest(profile_id="ann")


def mutated(seed: bytes, other: bytes, *, rng: random.Random) -> bytes:
    """A few random edits of the bytes; most break the message's frame."""
    data = bytearray(seed)
    for _ in range(rng.randint(1, MAX_MUTATIONS)):
        # Early bytes more often: there sit the headers, further on only samples.
        place = min(len(data) - 1, int(len(data) ** rng.random())) if data else 0
        match rng.randrange(6):
            case 0 if data:
                data[place] ^= 1 << rng.randrange(8)
            case 1:
                data[place:place] = rng.randbytes(rng.randint(1, 8))
            case 2:
                del data[place : place + rng.randint(1, 64)]
            case 3:
                del data[place:]
            case 4 if other:
                start = rng.randrange(len(other))
                data[place:place] = other[start : start + rng.randint(1, 256)]
            case _ if data:
                data[place : place + 4] = rng.choice([b"\xff\xff\xff\x7f", b"\0\0\xc0\x7f", b"\0\0\x80\xff", b"\0" * 4])
    return bytes(data)


def twisted(message: Message, rng: random.Random) -> None:
    """Changes one field somewhere inside a message, so that it still parses."""
    fields: Sequence[Any] = message.DESCRIPTOR.fields
    if not fields:
        message.SetInParent()
        return
    field: FieldDescriptor = rng.choice(fields)
    if field.message_type and not field.is_repeated and rng.random() < 0.9:
        twisted(getattr(message, field.name), rng)
    elif field.is_repeated:
        _twist_list(getattr(message, field.name), field, rng)
    elif field.message_type or rng.random() < 0.1:
        message.ClearField(field.name)
    else:
        setattr(message, field.name, _odd_value(field, getattr(message, field.name), rng))


def _twist_list(values: Any, field: FieldDescriptor, rng: random.Random) -> None:  # noqa: ANN401 - of any kind
    if values and rng.random() < 0.3:
        del values[rng.randrange(len(values)) :]
    elif field.message_type:
        twisted(rng.choice(values) if values and rng.random() < 0.7 else values.add(), rng)
    else:
        values.append(_odd_value(field, 0.0 if field.cpp_type == FieldDescriptor.CPPTYPE_FLOAT else "", rng))


def _odd_value(field: FieldDescriptor, value: Any, rng: random.Random) -> Any:  # noqa: ANN401 - a field of any type
    match value:
        case bytes():
            return mutated(value, value, rng=rng)
        case str():
            return rng.choice([*ODD_TEXTS, value])
        case float():
            return rng.choice(ODD_FLOATS)
        case bool():
            return not value
    wide = field.type in (FieldDescriptor.TYPE_INT64, FieldDescriptor.TYPE_UINT64)
    unsigned = field.type in (FieldDescriptor.TYPE_UINT32, FieldDescriptor.TYPE_UINT64)
    top = 2 ** (63 if wide else 31) - 1
    return rng.choice([0, 1, 2, 3, 8, 1001, 16_000, 48_000, top, *([] if unsigned else [-1, -top])])


def twist(data: bytes, rng: random.Random) -> bytes:
    """A request with one to a few fields changed."""
    message = REQUESTS[data[0]].FromString(data[1:])
    for _ in range(rng.choice([1, 1, 2, 5])):
        twisted(message, rng)
    return data[:1] + message.SerializeToString()


def inputs(seeds: list[bytes], num_runs: int, seed: int) -> Iterator[bytes]:
    """Every valid request first, then mutations."""
    rng = random.Random(seed)
    yield from seeds[:num_runs]
    for number in range(num_runs - len(seeds)):
        seed_bytes, other = rng.choices(seeds, k=2)
        match number % 10:
            case 0:
                yield rng.randbytes(rng.randint(0, 200))
            case 1 | 2:
                yield mutated(seed_bytes, other, rng=rng)
            case _:
                yield twist(seed_bytes, rng)


def fuzz(num_runs: int, seed: int) -> Counter[str]:
    """How each input ended."""
    with in_a_folder(Harness) as under_test:
        run_all(
            inputs(under_test.seeds(), num_runs, seed),
            under_test.run,
            written=lambda data: data[:2000].hex(),
            seed=seed,
            report_every=REPORT_EVERY,
        )
        return under_test.outcomes


def fuzz_by_coverage(num_runs: int) -> None:
    """libFuzzer through atheris; ends the process."""
    import atheris  # a development tool that instruments on import

    for function in functions_of("svc"):
        atheris.instrument_func(function)  # in place
    with tempfile.TemporaryDirectory() as corpus, in_a_folder(Harness) as under_test:
        for number, seed in enumerate(under_test.seeds()):
            (Path(corpus) / f"{number}").write_bytes(seed)
        atheris.Setup([sys.argv[0], f"-runs={num_runs}", "-max_len=65536", corpus], under_test.run)
        atheris.Fuzz()


def functions_of(package: str) -> Iterator[FunctionType]:
    """Every function and method of the package's loaded modules. All of Python's would take minutes to instrument."""
    for name, module in list(sys.modules.items()):
        if name.startswith(f"{package}."):
            owners = [module, *(each for each in vars(module).values() if isinstance(each, type))]
            members = {id(each): each for owner in owners for each in vars(owner).values()}
            yield from (each for each in members.values() if isinstance(each, FunctionType) and each.__module__ == name)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--engine", choices=("random", "atheris"), default="random")
    options = parser.parse_args()
    np.seterr(all="raise", under="ignore")  # arithmetic nobody thought of is a bug too
    if options.engine == "atheris":
        fuzz_by_coverage(options.runs)
    for reason, count in fuzz(options.runs, options.seed).most_common():
        print(f"{count:8d} {reason}")


if __name__ == "__main__":
    main()
