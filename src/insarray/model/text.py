"""Text of files and names as it may be put on a terminal: what would control it is written out."""

import re

# controls but tab and newline, directions of writing that hide what a line says, separators of lines, halves of characters
_CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def printable(text: str) -> str:
    r"""Text whose control characters, such as those of escape sequences, are written as ``\x1b``; lines stay lines."""
    return _CONTROLS.sub(lambda found: found[0].encode("unicode_escape").decode("ascii"), text)


def one_line(text: object) -> str:
    """The same in one line: what stands in a name must not look like a line of its own."""
    return printable(str(text)).replace("\n", "\\n").replace("\t", "\\t")


def quoted_cell(text: str) -> str:
    """Text as a cell of a CSV table."""
    return '"{}"'.format(text.replace('"', '""')) if any(c in text for c in ',"\n\r') else text
