"""Hostile CSV: rows between two good ones, and whole files with their dialects."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from hostile_case import (
    BAD_CSV,
    BAD_UTF8,
    BOM,
    CELL_COUNT,
    INVALID,
    NO_INT64,
    NOT_FINITE,
    POISONED,
    TOO_LONG,
    Case,
    Verdict,
)
from hostile_lines import line

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
