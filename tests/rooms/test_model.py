"""The shape of what clients send: one spelling of base64url, sizes of classes, and nothing about contents."""

import base64
import hashlib
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rooms.model import (
    LARGEST_CIPHERTEXT,
    MESSAGE_CLASSES,
    PERSON_CLASSES,
    ErrorCode,
    MemberId,
    Refused,
    from_base64url,
    parse_ciphertext,
    parse_message,
    to_base64url,
)
from tests import reference
from tests.properties import quick

ALPHABET = string.ascii_uppercase + string.ascii_lowercase + string.digits + "-_"
OVERHEAD = 12 + 16


def code(data: bytes, classes: tuple[int, ...] = MESSAGE_CLASSES) -> ErrorCode:
    with pytest.raises(Refused) as caught:
        parse_ciphertext(data, classes)
    return caught.value.code


# base64url


@quick
@given(st.binary())
def test_bytes_have_one_spelling(data: bytes) -> None:
    spelled = to_base64url(data)
    assert set(spelled) <= set(ALPHABET)
    assert from_base64url(spelled) == data == from_base64url(spelled, len(data))
    with pytest.raises(ValueError, match="size"):
        from_base64url(spelled, len(data) + 1)


@quick
@given(st.text(ALPHABET, max_size=12) | st.text(max_size=12))
def test_what_is_read_is_spelled_as_it_was(text: str) -> None:
    try:
        data = from_base64url(text)
    except ValueError:
        with pytest.raises(reference.Refused):
            reference.unb64(text)
    else:
        assert to_base64url(data) == text
        assert reference.unb64(text) == data


@pytest.mark.parametrize(
    "text",
    [
        "A",
        "AA==",
        "AA=",
        "=",
        "AB",
        "AAB",
        "AAAAA",
        "A A",
        "AAAA\n",
        " AAAA",
        "AA+A",
        "AA/A",
        "AÄAA",
        "\ud800AAA",
        "٤٤٤٤",
    ],
)
def test_other_spellings_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        from_base64url(text)


def test_the_last_bits_that_say_nothing_must_be_zero() -> None:
    good = [last for last in ALPHABET if _reads(f"AA{last}")]
    assert len(good) == 16
    assert [last for last in ALPHABET if _reads(f"A{last}")] == ["A", "Q", "g", "w"]


def _reads(text: str) -> bool:
    try:
        from_base64url(text)
    except ValueError:
        return False
    return True


# Ciphertexts


@pytest.mark.parametrize("size", MESSAGE_CLASSES)
def test_a_ciphertext_has_the_size_of_a_class(size: int) -> None:
    data = bytes(size + OVERHEAD)
    assert parse_ciphertext(data, MESSAGE_CLASSES) == base64.urlsafe_b64encode(data).rstrip(b"=").decode()
    assert code(data[:-1]) is ErrorCode.BAD_REQUEST
    assert code(data + b"\0") is (ErrorCode.TOO_LARGE if size == 65_536 else ErrorCode.BAD_REQUEST)
    if size not in PERSON_CLASSES:
        assert code(data, PERSON_CLASSES) is ErrorCode.BAD_REQUEST


def test_the_classes_are_those_of_the_protocol() -> None:
    assert list(MESSAGE_CLASSES) == reference.CLASSES["message"]
    assert list(PERSON_CLASSES) == reference.CLASSES["user"] == reference.CLASSES["typing"]


@pytest.mark.parametrize("size", [0, 1, OVERHEAD, 255 + OVERHEAD, 512])
def test_what_has_no_class_is_a_bad_request(size: int) -> None:
    assert code(bytes(size)) is ErrorCode.BAD_REQUEST


def test_what_is_larger_than_all_classes_is_too_large() -> None:
    assert LARGEST_CIPHERTEXT == 65_536 + OVERHEAD
    assert code(bytes(LARGEST_CIPHERTEXT + 1)) is ErrorCode.TOO_LARGE
    assert code(bytes(1_000_000), PERSON_CLASSES) is ErrorCode.TOO_LARGE


def test_a_message_is_known_by_the_hash_of_its_bytes() -> None:
    data = bytes(256 + OVERHEAD)
    message = parse_message(MemberId("Ann"), data)
    assert (message.member, message.ciphertext) == ("Ann", to_base64url(data))
    assert message.digest == hashlib.sha256(data).digest()
