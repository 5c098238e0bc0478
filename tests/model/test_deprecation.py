"""Old names work, say what they are called now, and do not overrule new ones."""

import inspect

import pytest

import insarray as ia
from insarray.model.deprecation import DeprecatedNameWarning, renamed
from insarray.model.errors import ArgumentError
from insarray.simulate.stacks import simulate_stack


@renamed(old="new")
def doubled(*, new: int = 1) -> int:
    return 2 * new


def test_an_old_keyword_is_the_new_one_and_warns():
    with pytest.warns(DeprecatedNameWarning, match="old is called new now") as caught:
        assert doubled(old=4) == 8
    assert caught[0].filename == __file__
    assert doubled(new=4) == 8
    with pytest.raises(ArgumentError, match="old: is the old name of new"):
        doubled(old=1, new=2)
    assert list(inspect.signature(doubled).parameters) == ["new"]


def test_the_old_keywords_of_masks():
    stack, _ = simulate_stack(shape=(12, 12), n_dates=4)
    with pytest.warns(DeprecatedNameWarning, match="coherence is called min_coherence now"):
        masked = ia.mask(stack, coherence=0.5)
    assert masked.identical(ia.mask(stack, min_coherence=0.5))
    with pytest.warns(DeprecatedNameWarning, match="min_coherence is called min_mean_coherence now"):
        ia.select_pairs(stack, min_coherence=0.1)
