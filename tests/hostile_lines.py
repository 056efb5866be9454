"""Hostile JSON lines: each between two good ones, and whole files."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from hostile_case import (
    BAD_JSON,
    BAD_UTF8,
    BOM,
    CLASH,
    INVALID,
    NO_INT64,
    NO_OBJECT,
    NOT_FINITE,
    POISONED,
    TOO_LARGE,
    TOO_LONG,
    Case,
    Verdict,
)


def line(number: int, **changes: str) -> bytes:
    """A good record, but for the values that are given as JSON; an empty one has no such key."""
    values = {"id": str(number), "x": "1.5", "n": "2", "colour": '"red"', "name": '"a"'} | changes
    members = [f'"{key}":{value}' for key, value in values.items() if value]
    return f"{{{','.join(members)}}}".encode()


def id_of(record: bytes) -> int | None:
    found = re.search(rb'"id":(\d+)', record)
    return int(found[1]) if found else None


def with_end(number: int, end: bytes) -> bytes:
    return line(number)[:-1] + end


HARMLESS_LINES: dict[str, bytes] = {
    "an int where a float is due": line(2, x="5"),
    "a float without a fraction where an int is due": line(2, n="5.0"),
    "an exponent where an int is due": line(2, n="1E2"),
    "a number as text": line(2, x='"5.1"', n='"5"'),
    "true for a number": line(2, n="true"),
    "minus nought": line(2, x="-0", n="-0"),
    "a number too small for a double": line(2, x="1e-400"),
    "a number with 400 decimals": line(2, x="0." + "1" * 400),
    "a 19-digit integer": line(2, n="1234567890123456789"),
    "the least integer of 64 bits": line(2, n="-9223372036854775808"),
    "a 19-digit integer in a float": line(2, x="1234567890123456789"),
    "a 40-digit integer in a float": line(2, x="1" + "0" * 39),
    "a 40-digit integer not read": line(2, z="1" * 40),
    "a 5000-digit integer not read": line(2, z="1" * 5_000),
    "1e400 not read": line(2, z="1e400"),
    "a lone surrogate not read": line(2, z=r'"\ud800"'),
    "a lone surrogate for a key": line(2, **{r"\udc00": "1"}),
    "NUL escaped": line(2, name=r'"\u0000"'),
    "a pair of surrogates": line(2, name=r'"\ud83e\udd80"'),
    "other line ends within text": line(2, name='"\u2028\u2029\x85"'),
    "a null where it is the default": line(2, weight="null"),
    "a null not read": line(2, z="null"),
    "a text of NaN": line(2, name='"NaN and Infinity, -Infinity"'),
    "deep nesting": line(2, z="[" * 199 + "]" * 199),
    "many brackets in text": line(2, z='"' + "[{" * 500 + '"'),
    "duplicate keys": line(2)[:-1] + b',"x":7,"x":9}',
    "duplicate keys, the first of them unfit": b'{"x":"much",' + line(2)[1:],
    "an escaped key": line(2, x="", **{r"\u0078": "7"}),
    "duplicate keys, spelled otherwise": line(2, **{r"\u0078": "7"}),
    "spaces round the object": b" \t " + line(2) + b" \t ",
    "spaces within the object": line(2).replace(b",", b" ,\t").replace(b":", b" : "),
    "a carriage return for white space": line(2).replace(b",", b",\r"),
    "the prediction's name as a value": line(2, name='"prediction"'),
    "the prediction's name further down": line(2, z='{"prediction":1}'),
    "a key like the prediction's name": line(2, Prediction="1", prediction_="1"),
    "a line of 1 MB": line(2, z='"' + "x" * (1 << 20) + '"'),
    "a text of 1 MB": line(2, name='"' + "é" * (1 << 19) + '"'),
    "an empty key": line(2, **{"": "1"}),
}

REFUSED_LINES: dict[str, tuple[bytes, Verdict]] = {
    "invalid UTF-8": (line(2).replace(b'"a"', b'"\xff"'), BAD_UTF8),
    "invalid UTF-8 not read": (with_end(2, b',"z":"\xc3"}'), BAD_UTF8),
    "invalid UTF-8 alone": (b"\xff\xfe", BAD_UTF8),
    "a surrogate in UTF-8": (line(2).replace(b'"a"', b'"\xed\xa0\x80"'), BAD_UTF8),
    "NUL in UTF-8 of two bytes": (line(2).replace(b'"a"', b'"\xc0\x80"'), BAD_UTF8),
    "UTF-16": (line(2).decode().encode("utf-16-be"), BAD_JSON),
    "a lone surrogate": (line(2, name=r'"\ud800"'), ("validate", "InvalidUTF8")),
    "a lone low surrogate": (line(2, name=r'"\udc00"'), ("validate", "InvalidUTF8")),
    "NaN": (line(2, x="NaN"), BAD_JSON),
    "NaN not read": (line(2, z="NaN"), BAD_JSON),
    "Infinity": (line(2, x="Infinity"), BAD_JSON),
    "Infinity not read": (line(2, z="[-Infinity]"), BAD_JSON),
    "Inf": (line(2, x="Inf"), BAD_JSON),
    "Inf not read": (line(2, z="-Inf"), BAD_JSON),
    "null in an int": (line(2, n="null"), INVALID),
    "null in a float": (line(2, x="null"), INVALID),
    "null in a text": (line(2, name="null"), INVALID),
    "a float where an int is due": (line(2, n="5.5"), INVALID),
    "a text where a float is due": (line(2, x='"much"'), INVALID),
    "a number where a text is due": (line(2, name="5"), INVALID),
    "a list where a float is due": (line(2, x="[1.5]"), INVALID),
    "an object where a text is due": (line(2, name="{}"), INVALID),
    "another text than is allowed": (line(2, colour='"RED"'), INVALID),
    "a missing key": (line(2, n=""), INVALID),
    "1e400": (line(2, x="1e400"), TOO_LARGE),
    "1.8e308": (line(2, x="1.8e308"), TOO_LARGE),
    "-1e400": (line(2, x="-1e400"), TOO_LARGE),
    "1e400 within what is read": (line(2, x="[1e400]"), TOO_LARGE),
    "a 400-digit number in a float": (line(2, x="1" + "0" * 400 + ".5"), TOO_LARGE),
    "a 5000-digit integer": (line(2, n="1" * 5_000), TOO_LARGE),
    "a 5000-digit integer and then no JSON": (line(2, z="1" * 5_000 + "x"), BAD_JSON),
    "a 19-digit integer above 64 bits": (line(2, n="9999999999999999999"), NO_INT64),
    "a 40-digit integer": (line(2, n="1" * 40), NO_INT64),
    "a leading nought": (line(2, x="01.5"), BAD_JSON),
    "a leading plus": (line(2, x="+1.5"), BAD_JSON),
    "a trailing point": (line(2, x="1."), BAD_JSON),
    "a hexadecimal number": (line(2, n="0x2"), BAD_JSON),
    "deeper nesting": (line(2, z="[" * 200 + "]" * 200), ("decode", "NestingTooDeep")),
    "nesting without end": (line(2, z="[" * 100_000), ("decode", "NestingTooDeep")),
    "a comma too many": (with_end(2, b",}"), BAD_JSON),
    "a comment": (with_end(2, b"/**/}"), BAD_JSON),
    "single quotes": (line(2).replace(b'"', b"'"), BAD_JSON),
    "a raw tab in text": (line(2, name='"\t"'), BAD_JSON),
    "a raw NUL": (line(2, name='"\0"'), BAD_JSON),
    "a raw NUL behind the object": (line(2) + b"\0", BAD_JSON),
    "a raw NUL and a brace behind the object": (line(2) + b"\0}", BAD_JSON),
    "an unknown escape": (line(2, name=r'"\x41"'), BAD_JSON),
    "two objects on a line": (line(2) + b" " + line(4), BAD_JSON),
    "two objects side by side": (line(2) + line(4), BAD_JSON),
    "a brace too many": (line(2) + b"}", BAD_JSON),
    "a form feed": (b"\x0c" + line(2), BAD_JSON),
    "a BOM in the middle": (b"\xef\xbb\xbf" + line(2), BAD_JSON),
    "an array": (b"[" + line(2) + b"]", NO_OBJECT),
    "a bare 5": (b"5", NO_OBJECT),
    "a bare text": (b'"{}"', NO_OBJECT),
    "a bare null": (b"null", NO_OBJECT),
    "no JSON at all": (b"id,x,n", BAD_JSON),
    "{}": (b"{}", INVALID),
    "the prediction's own name": (line(2, prediction="null"), CLASH),
    "the prediction's own name, escaped": (line(2, **{r"predictio\u006e": "1"}), CLASH),
    "the prediction's own name, twice": (line(2, prediction="1")[:-1] + b',"prediction":2}', CLASH),
    "a line over the limit": (line(2, z='"' + "x" * (2 << 20) + '"'), TOO_LONG),
    "a line over the limit that is no JSON": (b"x" * (3 << 20), TOO_LONG),
    "a prediction that is not finite": (line(2, x="1e308"), NOT_FINITE),
}


def _line_file(
    name: str, *lines: bytes, rejects: Mapping[int, Verdict] | None = None, **more: Any
) -> Case:
    """``rejects`` by the number of their line, from 0; the lines have their ends."""
    rejected = []
    for number, (stage, error) in sorted((rejects or {}).items()):
        blank = len(lines[number]) - len(lines[number].lstrip(b" \t\r"))
        rejected.append((sum(map(len, lines[:number])) + blank, stage, error))
    good = [one for number, one in enumerate(lines) if number not in (rejects or {})]
    scored = tuple(id_of(one) for one in good if one.removeprefix(BOM).strip())
    return Case(name, "jsonl", b"".join(lines), scored, tuple(rejected), **more)


def _in_the_middle(name: str, hostile: bytes, verdict: Verdict | None = None) -> Case:
    lines = [one + b"\n" for one in (line(1), hostile, line(3))]
    return _line_file(name, *lines, rejects={1: verdict} if verdict else {})


A, B, C = (line(number) + b"\n" for number in (1, 2, 3))

LINE_FILES = [
    *(_in_the_middle(name, hostile) for name, hostile in HARMLESS_LINES.items()),
    *(_in_the_middle(name, *refused) for name, refused in REFUSED_LINES.items()),
    _line_file("blank lines", b"\n", A, b"\n", b"  \t\n", b"\r\n", B, b"\n\n"),
    _line_file("no final newline", A, B, C[:-1]),
    _line_file("a truncated last line", A, B, C[:-10], rejects={2: BAD_JSON}),
    _line_file("a last line cut in a character", A, b'{"name":"\xc3', rejects={1: BAD_UTF8}),
    _line_file("carriage returns", *(one[:-1] + b"\r\n" for one in (A, B, C))),
    _line_file("a carriage return at the end", A, B[:-1] + b"\r"),
    _line_file("carriage returns alone", A[:-1] + b"\r" + B, rejects={0: BAD_JSON}),
    _line_file("a BOM", BOM + A, B),
    _line_file("a BOM alone", BOM),
    _line_file("a BOM and a blank line", BOM + b"\n", B),
    _line_file(
        "an object over two lines", A, B[:9] + b"\n", B[9:], C, rejects={1: BAD_JSON, 2: BAD_JSON}
    ),
    _line_file(
        "an object over two lines that look whole",
        *(A, B[:-2] + b',"z":{}\n', b'"y":{}}\n', C),
        rejects={1: BAD_JSON, 2: BAD_JSON},
    ),
    _line_file(
        "a text over two lines", A, b'{"name":"}\n', b'{"}\n', C, rejects={1: BAD_JSON, 2: BAD_JSON}
    ),
    _line_file(
        "two objects and then none", A[:-1] + B, C[:-1] + b"\0}", rejects={0: BAD_JSON, 1: BAD_JSON}
    ),
    _line_file(
        "as many objects as lines by chance",
        *(A, B[:-2] + b',"z":\n', b"{}}\n", C[:-1] + C),
        rejects=dict.fromkeys([1, 2, 3], BAD_JSON),
    ),
    _line_file(
        "an array over lines",
        b"[\n",
        A[:-1] + b",\n",
        B,
        b"]\n",
        rejects={0: BAD_JSON, 1: BAD_JSON, 3: BAD_JSON},
    ),
    _line_file("an empty file"),
    _line_file("a file of blanks", b" ", b"\n", b"\t\r\n", b"   "),
    _line_file("a file of one newline", b"\n"),
    _line_file(
        "nothing but bad lines",
        b"5\n",
        b"{\n",
        b"{}",
        rejects={0: NO_OBJECT, 1: BAD_JSON, 2: INVALID},
    ),
    _line_file(
        "{} where every field has a default", A, b"{}\n", b" { } \n", model="models:DefaultsModel"
    ),
    _line_file(
        "lines at the limit",
        *(A, b"  " + B, C[:-1] + b" \n", line(44) + b"\n"),
        rejects={2: TOO_LONG, 3: TOO_LONG},
        max_record_bytes=len(A) - 1,
    ),
    _line_file(
        "one poison row in 10,000",
        *(line(i, x="13.0" if i == 7_000 else "1.5") + b"\n" for i in range(10_000)),
        rejects={7_000: POISONED},
        model="models:PoisonModel",
    ),
    _line_file(
        "a poison row in a hundred",
        *(line(i, x="13.0" if i % 100 == 7 else "1.5") + b"\n" for i in range(3_000)),
        rejects=dict.fromkeys(range(7, 3_000, 100), POISONED),
        model="models:PoisonModel",
    ),
]
