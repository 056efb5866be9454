"""Compressed text: which codec a name means, and files seen through it.

A compressed file cannot be split, so it is one range; places in it, such as the offsets in
rejects, count its decompressed bytes. Several compressed streams one after the other in a file, as
``cat a.gz b.gz`` makes, are read as one.
"""

from __future__ import annotations

from typing import BinaryIO

import pyarrow as pa

SUFFIXES = {"gzip": ".gz", "bz2": ".bz2", "zstd": ".zst"}


def codec_of(path: str) -> str | None:
    """The codec that the last suffix of a path means, or None."""
    for codec, suffix in SUFFIXES.items():
        if path.lower().endswith(suffix):
            return codec
    return None


def without_suffix(path: str) -> str:
    """The path without the suffix of a codec."""
    codec = codec_of(path)
    return path if codec is None else path[: -len(SUFFIXES[codec])]


def decompressed(file: BinaryIO, codec: str) -> BinaryIO:
    """What is compressed in a file; reading raises an OSError where that is broken or cut short."""
    stream: BinaryIO = pa.CompressedInputStream(pa.PythonFile(file, "r"), codec)
    return stream


def compressing(file: BinaryIO, codec: str) -> BinaryIO:
    """A file that compresses into another one; closing it writes what is left."""
    stream: BinaryIO = pa.CompressedOutputStream(pa.PythonFile(file, "w"), codec)
    return stream
