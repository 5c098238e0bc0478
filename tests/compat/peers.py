"""Comparison of our functions' arguments with those of the package they stand for, if it is installed."""

import inspect


def arguments(function):
    """Name and default of each argument that is not keyword-only."""
    parameters = inspect.signature(function).parameters.values()
    return [(p.name, p.default) for p in parameters if p.kind is not inspect.Parameter.KEYWORD_ONLY]


def own_options(function):
    """Names of the keyword-only arguments."""
    parameters = inspect.signature(function).parameters.values()
    return [p.name for p in parameters if p.kind is inspect.Parameter.KEYWORD_ONLY]
