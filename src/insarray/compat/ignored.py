"""Options of other programs that have no effect here: one note if they are given."""

import warnings

from insarray.cli.typed import Options, option_fields, spellings
from insarray.model.errors import StackWarning


def note_ignored(options: Options, group: type[Options], why: str) -> None:
    """Warn about the options of a group that were given."""
    given = options.given(group)
    named = [spellings(entry)[-1] for entry in option_fields(group) if entry.name in given]
    if named:
        warnings.warn(f"{', '.join(named)}: no effect here; {why}", StackWarning, stacklevel=2)
