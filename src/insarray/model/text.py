"""Escape control characters in text of files and names before it is printed on a terminal."""

import re

# control characters except tab and newline, bidirectional overrides, line separators, surrogates
_CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def printable(text: str) -> str:
    r"""Return the text with control characters, as in escape sequences, written as ``\x1b``; keep newlines."""
    return _CONTROLS.sub(lambda found: found[0].encode("unicode_escape").decode("ascii"), text)


def one_line(text: object) -> str:
    """Return the text on one line, so that a name cannot pose as a separate line."""
    return printable(str(text)).replace("\n", "\\n").replace("\t", "\\t")


def quoted_cell(text: str) -> str:
    """Text as a cell of a CSV table, without control characters: the table may be printed."""
    text = one_line(text)
    return '"{}"'.format(text.replace('"', '""')) if any(c in text for c in ',"\n\r') else text
