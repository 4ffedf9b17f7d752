"""Reading `multipart/form-data` (RFC 7578) while it comes in: fields into memory, files into temporary ones.

Nothing of what a file calls itself is kept, and nothing is read beyond what a form of ours can hold.
"""

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from tempfile import SpooledTemporaryFile
from typing import Final

MULTIPART_TYPE: Final = "multipart/form-data"

IN_MEMORY: Final = 256 * 1024
"""Octets of a file beyond which it is kept on disk."""

MAX_HEADERS: Final = 4096
"""Octets of a part's headers."""

_BOUNDARY: Final = re.compile(r"""boundary=(?:"([^"\r\n]{1,70})"|([^\s;"]{1,70}))(?=[\s;]|$)""", re.IGNORECASE)
_DISPOSITION: Final = re.compile(rb"^content-disposition:\s*form-data\s*;(.*)$", re.IGNORECASE | re.MULTILINE)
_NAME: Final = re.compile(rb"""(?:^|[;\s])name="([^"\r\n]*)\"""", re.IGNORECASE)
_FILE_NAME: Final = re.compile(rb"""(?:^|[;\s])filename\*?=""", re.IGNORECASE)

_LINE_END: Final = b"\r\n"
_HEADERS_END: Final = b"\r\n\r\n"


class MultipartError(Exception):
    """The body is not what its type says, or has more parts or text than any form of ours."""


class UploadedFile:
    """A file of a form; of one that is larger than may be only the size is kept."""

    def __init__(self, *, limit: int) -> None:
        self.size = 0
        self._limit = limit
        self._content = SpooledTemporaryFile(max_size=IN_MEMORY)  # noqa: SIM115 - closed with the form

    def write(self, chunk: bytes) -> None:
        """Take the next octets."""
        self.size += len(chunk)
        if self.size <= self._limit:
            self._content.write(chunk)

    def read(self) -> bytes:
        """Read all that was kept."""
        self._content.seek(0)
        return self._content.read()

    def close(self) -> None:
        """Delete what was kept."""
        self._content.close()


@dataclass
class MultipartForm:
    """What a form holds; of a field that comes more than once the last counts, of files all."""

    fields: dict[str, str] = field(default_factory=dict)
    files: dict[str, list[UploadedFile]] = field(default_factory=dict)

    def close(self) -> None:
        """Delete the temporary files."""
        for uploads in self.files.values():
            for upload in uploads:
                upload.close()


def find_boundary(content_type: str) -> bytes | None:
    """Read the boundary out of a Content-Type; None for one of another type, or without."""
    kind, _, parameters = content_type.partition(";")
    found = _BOUNDARY.search(parameters)
    if kind.strip().lower() != MULTIPART_TYPE or found is None:
        return None
    return (found[1] or found[2]).encode("latin-1", errors="replace")


async def read_multipart(
    chunks: AsyncIterator[bytes], boundary: bytes, *, max_parts: int, max_text: int, max_file: int
) -> MultipartForm:
    """Read a form; its caller closes it.

    `max_text` limits the octets of all fields together, `max_file` what is kept of each file.

    Raises:
        MultipartError: it cannot be read, or holds more than that.
    """
    reader = _Reader(boundary, max_parts=max_parts, max_text=max_text, max_file=max_file)
    try:
        async for chunk in chunks:
            reader.feed(chunk)
        return reader.finish()
    except BaseException:
        reader.close()
        raise


class _Reader:
    """Takes a body piece by piece."""

    def __init__(self, boundary: bytes, *, max_parts: int, max_text: int, max_file: int) -> None:
        self.form = MultipartForm()
        self._delimiter = _LINE_END + b"--" + boundary
        self._parts_left = max_parts
        self._text_left = max_text
        self._max_file = max_file
        # As if a line ended before the first delimiter, so that it is found like the others.
        self._buffer = bytearray(_LINE_END)
        self._step = self._skip_preamble
        self._name = ""
        self._text: bytearray | None = None
        self._file: UploadedFile | None = None
        self._is_over = False

    def feed(self, chunk: bytes) -> None:
        self._buffer += chunk
        while self._step():
            pass

    def finish(self) -> MultipartForm:
        if not self._is_over:
            raise MultipartError("It ends in the middle.")
        return self.form

    def close(self) -> None:
        self.form.close()
        if self._file is not None:
            self._file.close()

    def _skip_preamble(self) -> bool:
        return self._take_until_delimiter(keep=False)

    def _read_content(self) -> bool:
        return self._take_until_delimiter(keep=True)

    def _take_until_delimiter(self, *, keep: bool) -> bool:
        """Take what certainly is no delimiter; True once one was found."""
        place = self._buffer.find(self._delimiter)
        end = place if place >= 0 else max(0, len(self._buffer) - len(self._delimiter) + 1)
        if keep:
            self._take(bytes(self._buffer[:end]))
        if place < 0:
            del self._buffer[:end]
            return False
        del self._buffer[: place + len(self._delimiter)]
        if keep:
            self._end_part()
        self._step = self._read_delimiter_end
        return True

    def _read_delimiter_end(self) -> bool:
        if self._buffer.startswith(b"--"):
            self._is_over = True
            self._step = self._skip_rest
            return True
        place = self._buffer.find(_LINE_END)
        if place < 0:
            if len(self._buffer) > MAX_HEADERS:
                raise MultipartError("A delimiter does not end.")
            return False
        if self._buffer[:place].strip(b" \t"):
            raise MultipartError("A delimiter is followed by something else.")
        # The line end stays: a part without headers begins with an empty line.
        del self._buffer[:place]
        self._step = self._read_headers
        return True

    def _read_headers(self) -> bool:
        place = self._buffer.find(_HEADERS_END)
        if place < 0 or place > MAX_HEADERS:
            if len(self._buffer) > MAX_HEADERS:
                raise MultipartError("The headers of a part are too long.")
            return False
        self._begin_part(bytes(self._buffer[: place + len(_LINE_END)]).replace(_LINE_END, b"\n"))
        del self._buffer[: place + len(_HEADERS_END)]
        self._step = self._read_content
        return True

    def _skip_rest(self) -> bool:
        self._buffer.clear()
        return False

    def _begin_part(self, headers: bytes) -> None:
        self._parts_left -= 1
        if self._parts_left < 0:
            raise MultipartError("It has too many parts.")
        disposition = _DISPOSITION.search(headers)
        name = _NAME.search(disposition[1]) if disposition is not None else None
        if disposition is None or name is None:
            raise MultipartError("A part has no name.")
        self._name = name[1].decode("utf-8", errors="replace")
        is_file = _FILE_NAME.search(disposition[1]) is not None
        self._file = UploadedFile(limit=self._max_file) if is_file else None
        self._text = None if is_file else bytearray()

    def _take(self, content: bytes) -> None:
        if self._file is not None:
            self._file.write(content)
        elif self._text is not None:
            self._text_left -= len(content)
            if self._text_left < 0:
                raise MultipartError("Its fields are too long.")
            self._text += content

    def _end_part(self) -> None:
        if self._file is not None:
            # A file field in which nothing was chosen comes as an empty file.
            if self._file.size:
                self.form.files.setdefault(self._name, []).append(self._file)
            else:
                self._file.close()
        elif self._text is not None:
            self.form.fields[self._name] = self._text.decode("utf-8", errors="replace")
        self._file, self._text = None, None
