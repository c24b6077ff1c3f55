"""JSON as the standard has it: Python's own reader lets NaN, Infinity and numbers beyond a double through."""

import json
import math

from protocol import Json, ProtocolError


def load(text: str) -> Json:
    """The value. Raises ProtocolError, also for nesting too deep and integers too long to read."""
    try:
        try:
            value, end = _DECODER.raw_decode(text)
            if end == len(text):
                return value
        except ValueError:
            pass
        return _DECODER.decode(text)  # white space around it, or no JSON
    except (ValueError, RecursionError) as error:
        raise ProtocolError("bad JSON") from error


def dump(value: Json) -> str:
    """Compact and ASCII, so that characters are bytes. Raises ValueError for NaN, TypeError for what JSON does not have
    (bytes, above all), ProtocolError for deep nesting."""
    try:
        return _ENCODER.encode(value)
    except RecursionError as error:
        raise ProtocolError("data nested too deeply") from error


def _refuse_constant(name: str) -> Json:
    raise ValueError(name)


def _finite(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise ValueError(digits)
    return number


# Made once: the functions of the module make one for each call that wants anything special.
_DECODER = json.JSONDecoder(parse_constant=_refuse_constant, parse_float=_finite)
# What holds itself is too deep, too, which is noticed without looking for it.
_ENCODER = json.JSONEncoder(separators=(",", ":"), allow_nan=False, check_circular=False)
