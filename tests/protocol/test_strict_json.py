"""JSON as the standard has it, and one error for everything else."""

import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol import Json, ProtocolError, strict_json
from tests.properties import quick

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=12,
)


@quick
@given(json_values)
def test_load_undoes_dump(value: Json) -> None:
    assert strict_json.load(strict_json.dump(value)) == value


@quick
@given(json_values)
def test_what_is_written_is_compact_ascii(value: Json) -> None:
    text = strict_json.dump(value)
    assert text.isascii()
    assert not set(text) & set("\n\r\t\x1e")


def test_lone_surrogates_pass_through_as_escapes() -> None:
    assert strict_json.load(r'"\ud800"') == "\ud800"
    assert strict_json.dump("\ud800") == r'"\ud800"'


@pytest.mark.parametrize(
    "text",
    [
        *("", " ", "NaN", "[NaN]", "Infinity", "-Infinity", "1e999", "-1e999", "[1e400]", "1" * 4301, "-" + "1" * 4301),
        *("[1,]", "{'a':1}", "{a:1}", '{"a":1,}', "[1] 2", "01", "+1", ".5", "1.", "0x1", "True", "None", "undefined"),
        *('"\n"', '"\t"', '"\\x"', '"', "[", "{", '{"a"', "// x", "\ufeff[]", "nan", "٣"),
    ],
)
def test_what_is_no_json_is_refused(text: str) -> None:
    with pytest.raises(ProtocolError):
        strict_json.load(text)


@pytest.mark.parametrize("brackets", ["[]", '{"a":}'])
def test_what_is_nested_too_deeply_is_refused(brackets: str) -> None:
    front, back = brackets[:-1], brackets[-1]
    with pytest.raises(ProtocolError):
        strict_json.load(front * 200_000 + "1" + back * 200_000)


def test_nesting_that_cannot_be_written_is_refused() -> None:
    value: Json = 1
    for _ in range(2 * sys.getrecursionlimit()):
        value = [value]
    with pytest.raises(ProtocolError):
        strict_json.dump(value)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf"), [float("nan")]])
def test_what_is_no_number_is_never_written(value: Json) -> None:
    with pytest.raises(ValueError, match="JSON compliant"):
        strict_json.dump(value)


@quick
@given(st.text(st.sampled_from('[]{}":,0123456789eE+-.aN\\u \n'), max_size=30) | st.text())
def test_any_text_is_a_value_or_a_protocol_error(text: str) -> None:
    try:
        value = strict_json.load(text)
    except ProtocolError:
        return
    assert strict_json.load(strict_json.dump(value)) == value
