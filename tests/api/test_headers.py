from invite_service.api.headers import find_header

SCOPE = {"headers": [(b"host", b"api.test"), (b"x-note", b"caf\xe9"), (b"x-note", b"tea")]}


def test_the_first_header_of_a_name_is_found() -> None:
    assert find_header(SCOPE, b"x-note") == "café"


def test_a_header_that_is_missing_is_empty() -> None:
    assert find_header(SCOPE, b"authorization") == ""
