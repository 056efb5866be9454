"""Hostile input, as a table: each case is a file, and what must become of each of its records.

To add a case, add a row: to ``HARMLESS_LINES`` or ``REFUSED_LINES`` where it is one line, which is
put between two good ones; to ``LINE_FILES`` where it is a whole file. ``…_ROWS`` and ``CSV_FILES``
are the same for CSV, ``…_COLUMNS`` and ``PARQUET_FILES`` for Parquet.
"""

from __future__ import annotations

import io
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from math import inf, nan
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

BOM = b"\xef\xbb\xbf"

Verdict = tuple[str, str]

BAD_JSON = ("decode", "InvalidJSON")
NO_OBJECT = ("decode", "NotAnObject")
BAD_CSV = ("decode", "InvalidCSV")
CELL_COUNT = ("decode", "FieldCount")
BAD_UTF8 = ("decode", "InvalidUTF8")
TOO_LARGE = ("decode", "NumberOutOfRange")
CLASH = ("decode", "NameClash")
TOO_LONG = ("decode", "RecordTooLong")
INVALID = ("validate", "ValidationError")
NO_INT64 = ("validate", "IntegerOutOfRange")
NOT_FINITE = ("output", "NotFinite")
POISONED = ("predict", "ValueError")


@dataclass(frozen=True)
class Case:
    """A file, and what must become of it.

    Attributes:
        name: what is hostile about it.
        format: ``jsonl``, ``csv`` or ``parquet``.
        content: the bytes of the file.
        scored: the ``id`` of each record that is scored, in order; a record without one is None.
        rejects: position (offset or row), stage and error of each other record, in order.
        unreadable: the file as a whole cannot be read.
        model: the class path of the model.
        max_record_bytes: the limit it is read with.
        dialect: of CSV: the arguments of its format.
    """

    name: str
    format: str
    content: bytes
    scored: tuple[int | None, ...] = ()
    rejects: tuple[tuple[int, str, str], ...] = ()
    unreadable: bool = False
    model: str = "models:PlainModel"
    max_record_bytes: int = 2 << 20
    dialect: Mapping[str, Any] = field(default_factory=dict)

    def write(self, folder: Path) -> Path:
        """Write the file into a folder, under its format's suffix."""
        words = "".join(letter if letter.isalnum() else "_" for letter in self.name)
        path = folder / f"{words}.{self.format}"
        path.write_bytes(self.content)
        return path


# --- JSON lines ----------------------------------------------------------------------------------


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

# --- CSV -----------------------------------------------------------------------------------------

CSV_COLUMNS = ("id", "x", "n", "colour", "name", "weight", "z")
CSV_HEADER = b"id,x,n,colour,name,weight,z\n"
PLAIN_CSV = {"columns": CSV_COLUMNS, "delimiter": ",", "quote": '"', "header": True}
CSV_LIMIT = 1 << 15


def row(number: int, **changes: str) -> bytes:
    """A good record, but for the cells that are given as they are to be written."""
    cells = {"id": str(number), "x": "1.5", "n": "2", "colour": "red", "name": "a"} | changes
    return ",".join(cells.get(name, "") for name in CSV_COLUMNS).encode()


def id_of_row(record: bytes) -> int | None:
    found = re.search(rb"\d+", record)
    return int(found[0]) if found else None


HARMLESS_ROWS: dict[str, bytes] = {
    "every cell in quotes": b'"2","1.5","2","red","a","0.5","z"',
    "every cell in quotes, some with nothing in them": b'"2","1.5","2","red","a","",""',
    "a delimiter in quotes": row(2, name='",a,,b,"'),
    "doubled quotes": row(2, name='"""a"" ""b"""'),
    "doubled quotes alone": row(2, name='""""""', z='""""'),
    "a line end in quotes": row(2, name='"a\nb"'),
    "two bytes of line end in quotes": row(2, name='"a\r\nb"'),
    "a carriage return in quotes": row(2, name='"a\rb\r"'),
    "nothing but line ends in quotes": row(2, name='"\n\n\r\n\r\r\n"'),
    "a carriage return without quotes": row(2, name="a\rb"),
    "carriage returns at the end": row(2, z="\r\r"),
    "quotes that look like rows": row(2, name='"\n' + row(7).decode() + "\n" + '"'),
    "quotes over 1,000 lines": row(2, name='"' + "a,b\n" * 1_000 + '"'),
    "the other quote": row(2, name="'a"),
    "a backslash before a closing quote": row(2, name='"a\\"'),
    "a backslash": row(2, name="a\\"),
    "other delimiters": row(2, name="a;b\tc|d"),
    "spaces round numbers": row(2, x=" 1.5 ", n="\t2 "),
    "other spaces round numbers": row(2, x="1.5\u00a0", n="\u20032"),
    "spaces round text": row(2, name="  a "),
    "text of spaces": row(2, name=" "),
    "underscores in numbers": row(2, x="1_000.5", n="1_000"),
    "plus signs": row(2, x="+1.5", n="+2"),
    "leading noughts": row(2, x="007.5", n="007"),
    "minus nought": row(2, x="-0", n="-0"),
    "a point at the beginning": row(2, x=".5"),
    "a point at the end": row(2, x="5."),
    "an exponent": row(2, x="1E2"),
    "a float without a fraction where an int is due": row(2, n="5.0"),
    "a number too small for a double": row(2, x="1e-400"),
    "a number with 400 decimals": row(2, x="0." + "1" * 400),
    "a 19-digit integer": row(2, n="1234567890123456789"),
    "the least integer of 64 bits": row(2, n="-9223372036854775808"),
    "a 40-digit integer in a float": row(2, x="1" + "0" * 39),
    "a 5000-digit integer not read": row(2, z="1" * 5_000),
    "a cell where it may be missing": row(2, weight="0.5"),
    "NA in text": row(2, name="NA"),
    "null in text": row(2, name="null"),
    "NA not read": row(2, z="NA"),
    "NUL": row(2, name="a\0b"),
    "more than the BMP": row(2, name="🦀"),
    "line ends that are none": row(2, name="a\u2028b\u2029c\x85d\x0be\x0cf\x1cg\x1eh"),
    "a BOM in the middle": row(2, name="\ufeff"),
    "a BOM before the row": BOM + row(2),
    "a sign of a comment": row(2, name="#", z="#"),
    "a formula": row(2, name="=1+1", z='"=HYPERLINK(""x"")"'),
    "a long text": row(2, name="é" * (1 << 13)),
    "a long text in quotes": row(2, name='"' + '""' * (1 << 13) + '"'),
}

REFUSED_ROWS: dict[str, tuple[bytes, Verdict]] = {
    "a quote in a text": (row(2, name='a"b'), BAD_CSV),
    "two quotes in a text": (row(2, name='a"b"'), BAD_CSV),
    "doubled quotes in a text": (row(2, name='a""b'), BAD_CSV),
    "a quote at the end of a text": (row(2, name='a"'), BAD_CSV),
    "text behind quotes": (row(2, name='"a"b'), BAD_CSV),
    "quotes behind quotes": (row(2, name='"a" "b"'), BAD_CSV),
    "a space behind quotes": (row(2, name='"a" '), BAD_CSV),
    "a space before quotes": (row(2, name=' "a"'), BAD_CSV),
    "a carriage return behind quotes": (row(2, z='"a"\r\r'), BAD_CSV),
    "a quote that is never closed": (row(2, name='"a'), BAD_CSV),
    "a quote that is never closed, doubled quotes in it": (row(2, name='"a""'), BAD_CSV),
    "a quote at the end of the line": (row(2, z='"'), BAD_CSV),
    "three quotes at the end of the line": (row(2, z='"""'), BAD_CSV),
    "a quote alone": (b'"', BAD_CSV),
    "a JSON line": (line(2), BAD_CSV),
    "a cell missing": (row(2)[:-1], CELL_COUNT),
    "a cell too many": (row(2) + b",", CELL_COUNT),
    "one cell": (b"2", CELL_COUNT),
    "10,000 cells": (b"2" + b"," * 9_999, CELL_COUNT),
    "nothing in quotes": (b'""', CELL_COUNT),
    "a space": (b" ", CELL_COUNT),
    "a carriage return": (b"\r\r", CELL_COUNT),
    "another delimiter": (row(2).replace(b",", b";"), CELL_COUNT),
    "a comment": (b"# a comment", CELL_COUNT),
    "the header once more": (CSV_HEADER[:-1], INVALID),
    "nothing but delimiters": (b",,,,,,", INVALID),
    "nothing but empty quotes": (b",".join([b'""'] * 7), INVALID),
    "an empty cell in a float": (row(2, x=""), INVALID),
    "an empty cell in an int": (row(2, n=""), INVALID),
    "an empty cell in a text": (row(2, name=""), INVALID),
    "empty quotes in a text": (row(2, name='""'), INVALID),
    "a space in a float": (row(2, x=" "), INVALID),
    "a space where a cell may be missing": (row(2, weight=" "), INVALID),
    "NA in a float": (row(2, x="NA"), INVALID),
    "NA where a cell may be missing": (row(2, weight="NA"), INVALID),
    "null in an int": (row(2, n="null"), INVALID),
    "text in a float": (row(2, x="much"), INVALID),
    "true in an int": (row(2, n="true"), INVALID),
    "a float where an int is due": (row(2, n="5.5"), INVALID),
    "an exponent where an int is due": (row(2, n="1e2"), INVALID),
    "a hexadecimal number": (row(2, x="0x1F", n="0x1F"), INVALID),
    "a decimal comma": (row(2, x='"1,5"'), INVALID),
    "a comma between thousands": (row(2, n='"1,000"'), INVALID),
    "a unit": (row(2, x="1.5cm"), INVALID),
    "a suffix of C": (row(2, x="1.5f"), INVALID),
    "two points": (row(2, x="1.2.3"), INVALID),
    "two signs": (row(2, x="--1"), INVALID),
    "other digits": (row(2, n="\u0661"), INVALID),
    "NUL behind a number": (row(2, n="2\0"), INVALID),
    "a 5000-digit integer": (row(2, n="1" * 5_000), INVALID),
    "a 19-digit integer above 64 bits": (row(2, n="9999999999999999999"), NO_INT64),
    "a 40-digit integer": (row(2, n="1" * 40), NO_INT64),
    "NaN": (row(2, x="NaN"), NOT_FINITE),
    "infinity": (row(2, x="-inf"), NOT_FINITE),
    "NaN where a cell may be missing": (row(2, weight="nan"), NOT_FINITE),
    "1e400": (row(2, x="1e400"), NOT_FINITE),
    "a 5000-digit integer in a float": (row(2, x="1" * 5_000), NOT_FINITE),
    "a prediction that is not finite": (row(2, x="1e308"), NOT_FINITE),
    "another text than is allowed": (row(2, colour="RED"), INVALID),
    "spaces round a text that is allowed": (row(2, colour="red "), INVALID),
    "the other quotes": (row(2, colour="'red'"), INVALID),
    "UTF-16": (row(2).decode().encode("utf-16-be"), INVALID),
    "invalid UTF-8": (row(2).replace(b"a", b"\xff"), BAD_UTF8),
    "invalid UTF-8 not read": (row(2) + b"\xc3", BAD_UTF8),
    "invalid UTF-8 in quotes": (row(2).replace(b"a", b'"\xff\n"'), BAD_UTF8),
    "half a character before a delimiter": (row(2).replace(b"a", b"\xe2\x82"), BAD_UTF8),
    "a surrogate in UTF-8": (row(2).replace(b"a", b"\xed\xa0\x80"), BAD_UTF8),
    "NUL in UTF-8 of two bytes": (row(2).replace(b"a", b"\xc0\x80"), BAD_UTF8),
    "Latin-1": (row(2, name="é").decode().encode("latin-1"), BAD_UTF8),
    "invalid UTF-8 and unsound quoting": (row(2) + b'"\xff', BAD_UTF8),
    "invalid UTF-8 and a cell too many": (row(2) + b",\xff", BAD_UTF8),
    "unsound quoting and a cell missing": (b'2,"a"b', BAD_CSV),
    "a row over the limit": (row(2, name="x" * CSV_LIMIT), TOO_LONG),
    "a row over the limit in quotes": (row(2, name='"' + "x" * CSV_LIMIT + '"'), TOO_LONG),
    "a row over the limit with a quote that is never closed": (
        row(2, x='"', name="x" * CSV_LIMIT),
        TOO_LONG,
    ),
    "a row over the limit that is no UTF-8": (row(2) + b"\xff" * CSV_LIMIT, TOO_LONG),
    "delimiters over the limit": (b"," * 2 * CSV_LIMIT, TOO_LONG),
}


def _csv_file(
    name: str,
    *records: bytes,
    rejects: Mapping[int, Verdict] | None = None,
    head: bytes = CSV_HEADER,
    dialect: Mapping[str, Any] | None = None,
    max_record_bytes: int = CSV_LIMIT,
    **more: Any,
) -> Case:
    """``rejects`` by the number of their record behind the head; the records have their ends."""
    rejected = tuple(
        (len(head) + sum(map(len, records[:number])), *verdict)
        for number, verdict in sorted((rejects or {}).items())
    )
    good = [one for number, one in enumerate(records) if number not in (rejects or {})]
    return Case(
        name,
        "csv",
        head + b"".join(records),
        tuple(id_of_row(one) for one in good if one.strip(b"\r\n")),
        rejected,
        max_record_bytes=max_record_bytes,
        dialect=PLAIN_CSV | (dialect or {}),
        **more,
    )


def _between_rows(name: str, hostile: bytes, verdict: Verdict | None = None) -> Case:
    rows = [one + b"\n" for one in (row(1), hostile, row(3))]
    return _csv_file(name, *rows, rejects={1: verdict} if verdict else {})


def _of_dialect(delimiter: str, quote: str) -> Case:
    rows = [row(1, name='",a"",""\n"'), row(2), row(3, name='a"b'), row(4, name='"b')]
    other = bytes.maketrans(b',"', (delimiter + quote).encode())
    return _csv_file(
        f"the delimiter {delimiter!r} and the quote {quote!r}",
        *((one + b"\n").translate(other) for one in rows),
        rejects={2: BAD_CSV, 3: BAD_CSV},
        head=CSV_HEADER.translate(other),
        dialect={"delimiter": delimiter, "quote": quote},
    )


R1, R2, R3 = (row(number) + b"\n" for number in (1, 2, 3))

CSV_FILES = [
    *(_between_rows(name, hostile) for name, hostile in HARMLESS_ROWS.items()),
    *(_between_rows(name, *refused) for name, refused in REFUSED_ROWS.items()),
    _csv_file("blank lines", b"\n", R1, b"\n", b"\r\n", R2, b"\n\n\r\n"),
    _csv_file(
        "a blank line before a cell is missing", b"\n", R1, b"5\n", R2, R3, rejects={2: CELL_COUNT}
    ),
    _csv_file(
        "a blank line between rows, and a cell missing",
        R1,
        b"\n",
        b"5\n",
        R2,
        R3,
        rejects={2: CELL_COUNT},
    ),
    _csv_file("no final newline", R1, R2, R3[:-1]),
    _csv_file("quotes at the end of the file", R1, row(2, z='"z"')),
    _csv_file("empty quotes at the end of the file", R1, row(2, z='""')),
    _csv_file("carriage returns", *(one[:-1] + b"\r\n" for one in (R1, R2, R3))),
    _csv_file("carriage returns now and then", R1[:-1] + b"\r\n", R2, R3[:-1] + b"\r\n"),
    _csv_file(
        "carriage returns alone",
        R1[:-1] + b"\r" + R2[:-1] + b"\r",
        rejects={0: CELL_COUNT},
        head=b"",
        dialect={"header": False},
    ),
    _csv_file("a carriage return at the end", R1, R2[:-1] + b"\r"),
    _csv_file(
        "a carriage return behind quotes at the end",
        R1,
        row(2, z='"z"') + b"\r",
        rejects={1: BAD_CSV},
    ),
    _csv_file("a truncated last row", R1, R2, b"3,1.5,2", rejects={2: CELL_COUNT}),
    _csv_file("a last row cut in quotes", R1, R2, b'3,1.5,2,red,"a', rejects={2: BAD_CSV}),
    _csv_file("a last row cut in a character", R1, row(2) + b"\xc3", rejects={1: BAD_UTF8}),
    _csv_file(
        "a last row cut in quotes over lines",
        *(R1, b'2,1.5,2,red,"a\n', b"b\n", b"c"),
        rejects={1: BAD_CSV, 2: CELL_COUNT, 3: CELL_COUNT},
    ),
    _csv_file("a BOM", R1, R2, head=BOM + CSV_HEADER),
    _csv_file("a BOM before quotes", R1, R2, head=BOM + CSV_HEADER.replace(b"id", b'"id"')),
    _csv_file("a BOM without a header", R1, R2, head=BOM, dialect={"header": False}),
    _csv_file(
        "a BOM before quotes without a header",
        *(b'"1"' + R1[1:], R2),
        head=BOM,
        dialect={"header": False},
    ),
    _csv_file("no header", R1, R2, head=b"", dialect={"header": False}),
    _csv_file(
        "a header where none is due",
        *(CSV_HEADER, R1),
        rejects={0: INVALID},
        head=b"",
        dialect={"header": False},
    ),
    _csv_file(
        "a header in quotes", R1, head=b'"' + b'","'.join(CSV_HEADER[:-1].split(b",")) + b'"\n'
    ),
    _csv_file(
        "a header over lines",
        *(R1, R2),
        head=CSV_HEADER[:-2] + b'"z,\r\n""z"\r\n',
        dialect={"columns": (*CSV_COLUMNS[:-1], 'z,\r\n"z')},
    ),
    _csv_file("a header that ends as others do", R1, R2, head=CSV_HEADER[:-1] + b"\r\n"),
    _csv_file("blank lines before the header", R1, R2, head=b"\n\r\n" + CSV_HEADER),
    _csv_file("a header alone", head=CSV_HEADER),
    _csv_file("a header without a line end", head=CSV_HEADER[:-1]),
    _csv_file("a BOM and a header", head=BOM + CSV_HEADER),
    _csv_file("an empty file", head=b""),
    _csv_file("an empty file without a header", head=b"", dialect={"header": False}),
    _csv_file("a BOM alone", head=BOM, dialect={"header": False}),
    _csv_file("a file of line ends", b"\n\r\n\n", head=b"", dialect={"header": False}),
    _csv_file("nothing but bad rows", b"5\n", b'"\n', rejects={0: CELL_COUNT, 1: BAD_CSV}),
    *(_of_dialect(*one) for one in (';"', '\t"', '|"', ",'", ";'", "\t'", "|'", " '", "^~")),
    *(_of_dialect(*one) for one in ("\"'", '",', "\\/", "\x1f\x1e", "\t\x0b", "#\x01")),
    _csv_file(
        "commas and quotes that mean nothing",
        b'1;1.5;2;red;"a,""b;;\n',
        b"2;1.5;2;red;'a;''b';;\n",
        head=CSV_HEADER.replace(b",", b";"),
        dialect={"delimiter": ";", "quote": "'"},
    ),
    _csv_file(
        "a stray quote",
        *(R1, row(2, name='"a') + b"\n", R3, row(4) + b"\n"),
        rejects={1: BAD_CSV},
    ),
    _csv_file(
        "a stray quote before quotes",
        *(row(2, name='"a') + b"\n", R3, row(4, name='"b"') + b"\n", R1),
        rejects={0: BAD_CSV},
    ),
    _csv_file(
        "a stray quote that a later one closes",
        *(R1, row(2, name='"a') + b"\n" + row(4, name='b"') + b"\n", R3),
    ),
    _csv_file(
        "a stray quote on every line",
        *(row(number, name='"a') + b"\n" for number in range(50)),
        rejects=dict.fromkeys(range(50), BAD_CSV),
    ),
    _csv_file(
        "a stray quote at the end of every line",
        *(row(1, z='"') + b"\n" + row(2, z='"') + b"\n", row(3, z='"') + b"\n"),
        rejects={1: BAD_CSV},
    ),
    _csv_file(
        "a quote alone on every line",
        *(b'"\n"\n', b'"\n"\n', b'"\n'),
        rejects={0: CELL_COUNT, 1: CELL_COUNT, 2: BAD_CSV},
    ),
    _csv_file(
        "unsound on a later line",
        *(row(1, name='"a') + b"\n", b"\n", R2, b'b" c,,\n', R3),
        rejects={0: BAD_CSV, 3: BAD_CSV},
    ),
    _csv_file(
        "invalid UTF-8 on a later line of unsound quotes",
        *(row(1, name='"a') + b"\n", b"\xff\n", R2),
        rejects={0: BAD_CSV, 1: BAD_UTF8},
    ),
    _csv_file(
        "rows at the limit",
        *(R1, R2[:-1] + b"\r\n", row(33) + b"\n", b"44" + R2[1:-1] + b"\r\n", R3[:-1]),
        rejects={2: TOO_LONG, 3: TOO_LONG},
        max_record_bytes=len(R1) - 1,
    ),
    _csv_file(
        "rows over lines at the limit",
        *(b'4,1,2,red,"\n",,\r\n', b'5,1,2,red,"\n', b"\n", b'",,\n', R1),
        rejects={1: BAD_CSV, 3: BAD_CSV},
        max_record_bytes=len(R1) - 1,
    ),
    _csv_file(
        "quotes that close beyond the limit",
        *(row(2, name='"a') + b"\n", *[R3] * 10, row(5, name='b"') + b"\n", R1),
        rejects={0: BAD_CSV, 11: BAD_CSV},
        max_record_bytes=100,
    ),
    _csv_file(
        "quotes over the limit and then good ones",
        *(row(2, name='"a') + b"\n", *[R3] * 10, row(5, name='",a\n,"') + b"\n", R1),
        rejects={0: BAD_CSV},
        max_record_bytes=100,
    ),
    _csv_file(
        "lines over the limit in quotes",
        *(b'2,"a\n', b"x" * 101 + b"\n", b'a"\n', R1),
        rejects={0: BAD_CSV, 1: TOO_LONG, 2: BAD_CSV},
        max_record_bytes=100,
    ),
    _csv_file(
        "a long row with carriage returns",
        *(R1, b"x" * 1_023 + b"\r\n", b"x" * 1_024 + b"\r\n", b"\r" * 1_025 + b"\r\n", R2),
        rejects=dict.fromkeys([1, 2, 3], TOO_LONG),
        max_record_bytes=1_000,
    ),
    _csv_file(
        "columns in another order",
        *(b"a,red,2,1.5,1\n", b"much,red,2,a,2\n"),
        rejects={1: INVALID},
        head=b"name,colour,n,x,id\n",
        dialect={"columns": ("name", "colour", "n", "x", "id")},
    ),
    _csv_file(
        "a column missing",
        *(b"1,1.5,2,red\n", b"2,1.5,2,red,a\n"),
        rejects={0: INVALID, 1: CELL_COUNT},
        head=b"id,x,n,colour\n",
        dialect={"columns": ("id", "x", "n", "colour")},
    ),
    _csv_file(
        "a column alone",
        *(b"1\n", b"\n", b'""\n', b" \n", b'"2"\n'),
        rejects={3: INVALID},
        head=b"x\n",
        model="models:DefaultsModel",
        dialect={"columns": ("x",)},
    ),
    _csv_file(
        "empty cells where every field has a default",
        *(b"1,,,,,,\n", b'"","","","","",,\n'),
        model="models:DefaultsModel",
    ),
    _csv_file(
        "a judge of its own",
        *(R1, row(2, n="666") + b"\n", row(3, n=" 7") + b"\n"),
        rejects={1: INVALID},
        model="models:JudgedModel",
    ),
    _csv_file(
        "one poison row in 10,000",
        *(row(i, x="13.0" if i == 7_000 else "1.5") + b"\n" for i in range(10_000)),
        rejects={7_000: POISONED},
        model="models:PoisonModel",
    ),
]

# --- Parquet -------------------------------------------------------------------------------------


def table(size: int = 3, **columns: Any) -> pa.Table:
    """Good rows, with their numbers for ids, but for these columns; None leaves one out."""
    good = {
        "id": list(range(size)),
        "x": [1.5] * size,
        "n": [2] * size,
        "colour": ["red"] * size,
        "name": ["a"] * size,
    }
    return pa.table(
        {name: column for name, column in (good | columns).items() if column is not None}
    )


def text(*values: bytes) -> pa.Array:
    """Text that nobody checked."""
    ends = np.cumsum([0, *map(len, values)], dtype=np.int32)
    buffers = [None, pa.py_buffer(ends), pa.py_buffer(b"".join(values))]
    return pa.Array.from_buffers(pa.string(), len(values), buffers)


# Three rows with these columns, of which row 1 is hostile.
HARMLESS_COLUMNS: dict[str, dict[str, Any]] = {
    "an extra nested column": {"z": [[{"p": 1}], [], None]},
    "text as a dictionary": {"colour": pa.array(["red", "green", "red"]).dictionary_encode()},
    "large text": {"name": pa.array(["a", "b", "c"], pa.large_string())},
    "text as bytes": {"name": [b"a", b"b", b"c"]},
    "decimals where a float is due": {"x": [Decimal("1.5"), Decimal("-2.25"), Decimal("1.5")]},
    "decimals where an int is due": {"n": [Decimal(1), Decimal(-2), Decimal(3)]},
    "small floats": {"x": pa.array([1.5, 0.1, 1.5], pa.float32())},
    "smallest floats": {"x": pa.array([1.5, 0.1, 1.5], pa.float16())},
    "ints where a float is due": {"x": [1, 2**53 + 1, 3]},
    "small ints": {"n": pa.array([1, -128, 3], pa.int8())},
    "ints without a sign": {"n": pa.array([1, 2**63 - 1, 3], pa.uint64())},
    "floats where an int is due": {"n": [1.0, -2.0, 3.0]},
    "numbers as text": {"x": ["1.5", "2.5", "1.5"]},
    "true and false where an int is due": {"n": [True, False, True]},
    "a column that need not be there": {"weight": [0.5, None, 0.25]},
    "a column of nulls": {"weight": pa.nulls(3)},
    "NaN where a null would do": {"x": [1.5, 0.0, 1.5], "n": [2, 0, 2]},
    "text not read that is no UTF-8": {"z": text(b"a", b"\xff", b"b")},
    "a day not read that is too far": {"z": pa.array([0, 2**31 - 1, 0], pa.int32()).cast("date32")},
    "the name of the prediction alone": {"prediction": ["a", "b", "c"]},
}

REFUSED_COLUMNS: dict[str, tuple[dict[str, Any], Verdict]] = {
    "an int column with nulls": ({"n": [1, None, 3]}, INVALID),
    "a float column with nulls": ({"x": [1.5, None, 3.5]}, INVALID),
    "a text column with nulls": ({"name": ["a", None, "b"]}, INVALID),
    "a dictionary with nulls": (
        {"colour": pa.array(["red", None, "red"]).dictionary_encode()},
        INVALID,
    ),
    "a dictionary with other text": (
        {"colour": pa.array(["red", "pink", "red"]).dictionary_encode()},
        INVALID,
    ),
    "text that is no number": ({"x": ["1.5", "much", "1.5"]}, INVALID),
    "text that is no UTF-8": ({"name": text(b"a", b"\xff", b"b")}, BAD_UTF8),
    "bytes that are no UTF-8": ({"name": [b"a", b"\xff", b"b"]}, INVALID),
    "fractions where an int is due": ({"n": [1.0, 2.5, 3.0]}, INVALID),
    "NaN where an int is due": ({"n": [1.0, nan, 3.0]}, INVALID),
    "a fraction in a decimal": ({"n": [Decimal("1.0"), Decimal("2.5"), Decimal("3.0")]}, INVALID),
    "an int above 64 bits": ({"n": pa.array([1, 2**63, 3], pa.uint64())}, NO_INT64),
    "NaN": ({"x": [1.5, nan, 1.5]}, NOT_FINITE),
    "Infinity": ({"x": [1.5, inf, 1.5]}, NOT_FINITE),
    "NaN in a field that may be null": ({"weight": [0.5, nan, None]}, NOT_FINITE),
    "a bad row beside text that is no UTF-8": (
        {"n": [1, None, 3], "z": text(b"a", b"\xff", b"b")},
        INVALID,
    ),
    "a bad row beside a day too far": (
        {"n": [1, None, 3], "z": pa.array([0, 2**31 - 1, 0], pa.int32()).cast("date32")},
        INVALID,
    ),
    "a bad row beside a time too far": (
        {"n": [1, None, 3], "z": pa.array([0, 2**62, 0], pa.timestamp("us"))},
        INVALID,
    ),
}


def _parquet(table: pa.Table, **options: Any) -> bytes:
    file = io.BytesIO()
    pq.write_table(table, file, **options)
    return file.getvalue()


def _parquet_file(
    name: str, content: pa.Table | bytes, rejects: Mapping[int, Verdict] | None = None, **more: Any
) -> Case:
    if isinstance(content, bytes):
        return Case(name, "parquet", content, **more)
    refused = rejects or {}
    scored = tuple(row for row in range(content.num_rows) if row not in refused)
    rejected = tuple((row, *verdict) for row, verdict in sorted(refused.items()))
    return Case(name, "parquet", _parquet(content, row_group_size=2_048), scored, rejected, **more)


def _all(verdict: Verdict) -> dict[int, Verdict]:
    return dict.fromkeys(range(3), verdict)


def _without_row_groups() -> bytes:
    file = io.BytesIO()
    pq.ParquetWriter(file, table().schema).close()
    return file.getvalue()


GOOD_PARQUET = _parquet(table(1_000, name=[f"name {i}" for i in range(1_000)]))

PARQUET_FILES = [
    *(_parquet_file(name, table(**columns)) for name, columns in HARMLESS_COLUMNS.items()),
    *(
        _parquet_file(name, table(**columns), {1: verdict})
        for name, (columns, verdict) in REFUSED_COLUMNS.items()
    ),
    _parquet_file("zero rows", table(0)),
    _parquet_file("zero rows of true and false", pa.table({"z": pa.array([], pa.bool_())})),
    _parquet_file("zero row groups", _without_row_groups()),
    _parquet_file("a missing column", table(n=None), _all(INVALID)),
    _parquet_file("no column that the model reads", table().select(["id"]), _all(INVALID)),
    _parquet_file("a column of another type", table(x=[[1], [2], [3]]), _all(INVALID)),
    _parquet_file(
        "times where a float is due", table(x=pa.nulls(3, pa.timestamp("s"))), _all(INVALID)
    ),
    _parquet_file(
        "a column of the prediction's name", table(prediction_score=[1, 2, 3]), _all(CLASH)
    ),
    _parquet_file(
        "no field is there and every one has a default",
        table().select(["id"]),
        model="models:DefaultsModel",
    ),
    _parquet_file(
        "one poison row in 10,000",
        table(10_000, x=[13.0 if i == 7_000 else 1.5 for i in range(10_000)]),
        {7_000: POISONED},
        model="models:PoisonModel",
    ),
    _parquet_file("a truncated file", GOOD_PARQUET[:-10], unreadable=True),
    _parquet_file("half a file", GOOD_PARQUET[: len(GOOD_PARQUET) // 2], unreadable=True),
    _parquet_file(
        "a damaged page", GOOD_PARQUET[:50] + b"\xff" * 500 + GOOD_PARQUET[550:], unreadable=True
    ),
    _parquet_file("a file that is not Parquet", A + B + C, unreadable=True),
    _parquet_file("an empty file", b"", unreadable=True),
]

CASES = [*LINE_FILES, *CSV_FILES, *PARQUET_FILES]
