"""Certificates for the TLS tests, made once a run."""

import ssl
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.certificates import make_certificate


@dataclass(frozen=True)
class Certificate:
    """A self-signed certificate: what a client trusts and what a server shows."""

    ca_file: str
    server_context: ssl.SSLContext


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    """Made out to 127.0.0.1, where the tests' servers listen."""
    return _make(tmp_path_factory.mktemp("certificate"), "127.0.0.1")


@pytest.fixture(scope="session")
def foreign_certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    """Made out to another host."""
    return _make(tmp_path_factory.mktemp("foreign"), "other.example.com")


def _make(directory: Path, host: str) -> Certificate:
    ca_file, context = make_certificate(directory, host=host)
    return Certificate(str(ca_file), context)
