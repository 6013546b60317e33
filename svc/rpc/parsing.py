"""Bytes of a call into its request: what is no such message, or more than one may carry, is refused by name."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from google.protobuf import descriptor_pool, message_factory
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import DecodeError, Message

from svc.errors import AudioTooLongError, InvalidRequestError, ServiceError
from svc.rpc.wire_fields import field_names

Parse = Callable[[bytes], Any]
# A message holds the audio and little else.
MESSAGE_MARGIN_BYTES = 64 * 2**10
# Of a message, those within it included: enough for some thousands of profile_ids. Without a limit a small message of
# empty ones would take gigabytes as parsed, and the event loop for seconds.
MAX_FIELDS = 10_000


@dataclass(frozen=True, slots=True)
class RequestParser:
    """Holds every message to the fields one may have and the bytes one may carry, all its clips together."""

    max_bytes: int

    def of(self, kind: type[Message]) -> Parse:
        """What parses messages of that kind within the limits.

        It raises InvalidRequestError for bytes that are no such message, and for too many fields, before they are
        parsed, naming the one they are in; AudioTooLongError, or InvalidRequestError where there is no audio, naming
        the largest field, for too many bytes.
        """

        def parse(raw: bytes) -> Message:
            check_num_fields(raw, kind)
            try:
                request = kind.FromString(raw)
            except DecodeError as error:
                raise InvalidRequestError("the request is not a message of this method's type") from error
            if len(raw) > self.max_bytes + MESSAGE_MARGIN_BYTES:
                raise self._too_large(request, len(raw))
            return request

        return parse

    def _too_large(self, request: Message, num_bytes: int) -> ServiceError:
        sizes = dict(content_sizes(request))
        kind = AudioTooLongError if sizes else InvalidRequestError
        largest = max(sizes, key=lambda path: sizes[path]) if sizes else ""
        message = f"{num_bytes} bytes are more than {self.max_bytes}, the most one request may carry: split it"
        return kind(message, field=largest)


def request_type(method: str) -> type[Message]:
    """What callers of the method send, by its name on the wire: /equivox.v1.Profiles/Enroll."""
    full_name = method.removeprefix("/").replace("/", ".")
    return message_factory.GetMessageClass(descriptor_pool.Default().FindMethodByName(full_name).input_type)


def check_num_fields(raw: bytes, kind: type[Message]) -> None:
    """Raises InvalidRequestError at the first field too many; looks no further, so that it takes a bounded time."""
    for number, name in enumerate(field_names(raw, kind), start=1):
        if number > MAX_FIELDS:
            raise InvalidRequestError(f"a message may have {MAX_FIELDS} fields in all: send less at a time", field=name)


def content_sizes(message: Message, prefix: str = "") -> Iterator[tuple[str, int]]:
    """Every field of bytes in a message, as errors name fields ("utterances[1].container"), and its length."""
    for field, value in message.ListFields():
        values = list(value) if field.is_repeated else [value]
        for number, each in enumerate(values):
            path = f"{prefix}{field.name}[{number}]" if field.is_repeated else f"{prefix}{field.name}"
            if field.type == FieldDescriptor.TYPE_BYTES:
                yield path, len(each)
            elif field.type == FieldDescriptor.TYPE_MESSAGE:
                yield from content_sizes(each, f"{path}.")
