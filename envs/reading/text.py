"""Text files as rows of fields: decompression, encoding and separators."""

from __future__ import annotations

import bz2
import csv
import gzip
import io
import lzma
import zipfile
import zlib
from pathlib import Path

from .records import shortened

SEPARATORS = (",", ";", "\t", "|")
"""What may separate fields if it is not given."""

MARKS = {b"\xef\xbb\xbf": "utf-8-sig", b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}
"""Byte order marks and the encodings that they stand for."""


def read_rows(
    path: Path, separator: str | None, encoding: str | None
) -> tuple[list[list[str]], list[int], str]:
    """The rows of fields of a text file, without empty rows at its end.

    Args:
        path: the file, which may be compressed as its suffix says.
        separator: of the fields; None if the file is to tell.
        encoding: of the text; None for UTF-8, or UTF-16 with a byte order mark.

    Returns:
        The rows, all of one length; the line of each, from 1; and the separator.

    Raises:
        ValueError: saying why the file cannot be read, without its name.
    """
    if separator is not None and (not isinstance(separator, str) or len(separator) != 1):
        raise ValueError(f"sep={separator!r} must be one character, such as ';'")
    text = _decode(_decompress(path), encoding)
    if not text.strip():
        raise ValueError("the file is empty")
    if separator is None:
        separator, (rows, lines) = _find_separator(text)
    else:
        rows, lines = _parse(text, separator)
    _check_widths(rows, lines, separator)
    width = max(map(len, rows))
    return [row or [""] * width for row in rows], lines, separator


def _decompress(path: Path) -> bytes:
    suffix = path.suffix.lower()
    try:
        if suffix == ".zip":
            with zipfile.ZipFile(path) as archive:
                names = [name for name in archive.namelist() if not name.endswith("/")]
                if len(names) != 1:
                    raise ValueError(f"the archive must hold one file, it holds {shortened(names)}")
                return archive.read(names[0])
        if suffix in (".gz", ".bz2", ".xz"):
            return {".gz": gzip, ".bz2": bz2, ".xz": lzma}[suffix].decompress(path.read_bytes())  # type: ignore[attr-defined, no-any-return]
        return path.read_bytes()
    except OSError as error:
        raise ValueError(error.strerror or str(error)) from error
    except (EOFError, zlib.error, lzma.LZMAError, zipfile.BadZipFile) as error:
        raise ValueError(f"it is damaged: {error}") from error


def _decode(content: bytes, encoding: str | None) -> str:
    codec = encoding or next((name for mark, name in MARKS.items() if content.startswith(mark)), "utf-8")
    try:
        text = content.decode(codec)
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        advice = "give encoding=, such as encoding='cp1252'" if encoding is None else "give another encoding"
        raise ValueError(f"line {line} is not text in {codec.upper()}; {advice}") from error
    except LookupError as error:
        raise ValueError(f"encoding={encoding!r} is unknown; give one such as 'cp1252'") from error
    if "\0" in text:
        raise ValueError("it is no text file; give a CSV, Parquet or Excel file, with its usual suffix")
    return text.removeprefix("\ufeff")


def _parse(text: str, separator: str) -> tuple[list[list[str]], list[int]]:
    rows: list[list[str]] = []
    lines: list[int] = []
    reader = csv.reader(
        io.StringIO(text, newline=""), delimiter=separator, skipinitialspace=True, strict=True
    )
    before = 0
    try:
        for row in reader:
            rows.append(row if "".join(row).strip() else [])
            lines.append(before + 1)
            before = reader.line_num
    except csv.Error as error:
        raise ValueError(f"line {reader.line_num} cannot be split into fields: {error}") from error
    while rows and not rows[-1]:
        rows.pop()
    return rows, lines[: len(rows)]


def _find_separator(text: str) -> tuple[str, tuple[list[list[str]], list[int]]]:
    """The one separator that gives all rows equally many fields, two or more, and what ``_parse`` returns.

    If there is one column, it is one that does not occur.
    """
    first = next(line for line in text.splitlines() if line.strip())
    possible, ragged = {}, {}
    for separator in SEPARATORS:
        if separator in first:
            try:
                rows, lines = _parse(text, separator)
            except ValueError:  # quotation marks do not stand at the ends of such fields
                continue
            widths = {len(row) for row in rows if row}
            if len(widths) > 1:
                ragged[separator] = rows, lines
            elif widths != {1}:
                possible[separator] = rows, lines
    if len(possible) > 1:
        raise ValueError(
            f"fields may be separated by {' or '.join(map(repr, possible))}; give sep=, and decimal=',' if "
            "the comma is the decimal sign"
        )
    if possible or ragged:
        return next(iter((possible or ragged).items()))
    # A file of one column is the same whatever the separator, unless a decimal comma would split it.
    unused = next((sign for sign in ("\t", "|", ";") if sign not in text), ",")
    return unused, _parse(text, unused)


def _check_widths(rows: list[list[str]], lines: list[int], separator: str) -> None:
    full = [(row, line) for row, line in zip(rows, lines, strict=True) if row]
    width, first = len(full[0][0]), full[0][1]
    for row, line in full:
        if len(row) != width:
            raise ValueError(
                f"line {line} has {len(row)} fields and line {first} has {width}, separated by "
                f"{separator!r}; if the comma is the decimal sign, give sep= and decimal=','"
            )
