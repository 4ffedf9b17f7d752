"""Forms with files, read while they come in."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from invite_service.api.multipart import IN_MEMORY, MultipartError, MultipartForm, find_boundary, read_multipart

BOUNDARY = b"----WebKitFormBoundaryAbC123"


async def in_pieces(body: bytes, size: int) -> AsyncIterator[bytes]:
    for start in range(0, len(body), size):
        yield body[start : start + size]


async def read(body: bytes, *, size: int = 65536, boundary: bytes = BOUNDARY, **limits: int) -> MultipartForm:
    limits = {"max_parts": 20, "max_text": 1000, "max_file": 1_000_000} | limits
    return await read_multipart(in_pieces(body, size), boundary, **limits)


def part(name: str, content: bytes, *, file_name: str | None = None) -> bytes:
    disposition = f'form-data; name="{name}"' + (f'; filename="{file_name}"' if file_name is not None else "")
    return b"--" + BOUNDARY + f"\r\nContent-Disposition: {disposition}\r\n\r\n".encode() + content + b"\r\n"


def whole(*parts: bytes) -> bytes:
    return b"".join(parts) + b"--" + BOUNDARY + b"--\r\n"


CONTENTS = st.one_of(
    st.binary(max_size=60),
    st.lists(st.sampled_from([b"\r\n", b"--", BOUNDARY, b"\r", b"\n", b"x", b"\r\n--" + BOUNDARY[:-1]])).map(b"".join),
).filter(lambda content: b"\r\n--" + BOUNDARY not in b"\r\n" + content)


@given(fields=st.dictionaries(st.sampled_from("abc"), CONTENTS), files=st.lists(CONTENTS), size=st.integers(1, 40))
async def test_form_reads_the_same_however_it_is_cut(fields: dict[str, bytes], files: list[bytes], size: int) -> None:
    parts = [part(name, content) for name, content in fields.items()]
    parts += [part("picture", content, file_name="a.jpg") for content in files]
    form = await read(whole(*parts), size=size, max_parts=200, max_text=100_000)
    try:
        assert form.fields == {name: content.decode(errors="replace") for name, content in fields.items()}
        read_files = [upload.read() for upload in form.files.get("picture", [])]
        assert read_files == [content for content in files if content]
    finally:
        form.close()


async def test_form_of_another_program_is_read() -> None:
    files: Any = [("picture", ("mug.png", b"\x89PNG" + b"x" * IN_MEMORY)), ("text", (None, "Fin æøå"))]
    request = httpx.Request("POST", "https://reviews.example", files=files)
    boundary = find_boundary(request.headers["Content-Type"])
    assert boundary is not None
    form = await read(request.read(), boundary=boundary)
    assert form.fields == {"text": "Fin æøå"}
    [upload] = form.files["picture"]
    assert (upload.size, upload.read()[:4]) == (IN_MEMORY + 4, b"\x89PNG")
    form.close()


async def test_file_that_is_too_large_is_not_kept_beyond_the_limit() -> None:
    form = await read(whole(part("picture", b"x" * 5000, file_name="a")), size=100, max_file=1000)
    [upload] = form.files["picture"]
    assert upload.size == 5000
    assert 0 < len(upload.read()) <= 1000
    form.close()


async def test_preamble_epilogue_and_padding_are_allowed() -> None:
    body = b"preamble\r\n" + part("a", b"1").replace(BOUNDARY, BOUNDARY + b" \t") + whole() + b"epilogue" * 1000
    assert (await read(body)).fields == {"a": "1"}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"--" + BOUNDARY,
        part("a", b"1"),
        whole(part("a", b"1"))[:-4],
        whole(*[part("a", b"1")] * 21),
        whole(part("a", b"x" * 1001)),
        whole(part("a", b"x" * 600), part("b", b"x" * 600)),
        whole(part("a" * 5000, b"1")),
        b"--" + BOUNDARY + b"x" * 5000,
        b"--" + BOUNDARY + b"nonsense\r\n\r\n",
        whole(b"--" + BOUNDARY + b"\r\nContent-Type: text/plain\r\n\r\nx\r\n"),
        whole(b"--" + BOUNDARY + b"\r\n\r\nx\r\n"),
        whole(part("picture", b"x" * IN_MEMORY * 2, file_name="a"))[: IN_MEMORY + 500],
    ],
)
@pytest.mark.parametrize("size", [1, 4096])
async def test_what_is_no_form_of_ours_is_refused(body: bytes, size: int) -> None:
    with pytest.raises(MultipartError):
        await read(body, size=size if len(body) < 30_000 else 4096)


@pytest.mark.parametrize(
    ("content_type", "boundary"),
    [
        ("multipart/form-data; boundary=abc", b"abc"),
        ('Multipart/Form-Data; charset=utf-8; boundary="a b"', b"a b"),
        ("multipart/form-data", None),
        ("multipart/form-data; boundary=" + "x" * 71, None),
        ("multipart/mixed; boundary=abc", None),
        ("application/json", None),
        ("", None),
    ],
)
def test_boundary_is_read_from_the_content_type(content_type: str, boundary: bytes | None) -> None:
    assert find_boundary(content_type) == boundary
