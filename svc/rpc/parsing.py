"""Bytes of a call into its request: what is no such message, or more than a request may carry, is refused by name."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import DecodeError, Message

from svc.errors import AudioTooLongError, InvalidRequestError, ServiceError

Parse = Callable[[bytes], Any]
# A message holds the audio and little else.
MESSAGE_MARGIN_BYTES = 64 * 2**10


@dataclass(frozen=True, slots=True)
class RequestParser:
    """Holds every request to the bytes one may carry, all its clips together."""

    max_bytes: int

    def of(self, deserialise: Parse) -> Parse:
        """What gRPC would have parsed requests with -> the same within the limit.

        It raises InvalidRequestError for bytes that are no such message; AudioTooLongError, or InvalidRequestError
        where there is no audio, naming the largest field, for too many.
        """

        def parse(raw: bytes) -> Any:  # noqa: ANN401 - any message
            try:
                request = deserialise(raw)
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
