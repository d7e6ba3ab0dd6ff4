"""Passwords: whose they are, and that they are shown nowhere."""

from pathlib import Path

import pytest

from training.documents.passwords import Passwords
from training.errors import ConfigError, NotFound


def test_a_document_has_its_own_password_or_that_of_all_others(tmp_path: Path) -> None:
    path = tmp_path / "passwords.yaml"
    path.write_text('a: one\n"b c": "2"\n"*": rest\n')
    passwords = Passwords.read(path)
    assert [passwords.of(name) for name in ("a", "b c", "d")] == ["one", "2", "rest"]
    assert "one" not in repr(passwords)
    assert Passwords().of("a") is None


@pytest.mark.parametrize(
    "content", [b"- secret", b"a: 1234", b"a: [secret]", b"a: {b: secret}", b"\xff\xfe\x00", b"a: 'sec"]
)
def test_another_file_is_refused_without_showing_what_is_in_it(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "passwords.yaml"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match="--passwords") as caught:
        Passwords.read(path)
    assert "secret" not in str(caught.value)
    assert "1234" not in str(caught.value)


def test_no_file_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="does not exist"):
        Passwords.read(tmp_path / "absent")
