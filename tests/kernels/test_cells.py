"""Numbers in the cells of tables: the bits of Python's `float`, and nothing that it or the rules for tables refuse."""

import numpy as np
import pytest

from insarray.kernels.cells import SKIPPED, TEXT, parse_cells


def parsed(lines, kinds):
    data = [line.encode() for line in lines]
    text = np.frombuffer(b"\n".join(data), np.uint8)
    stops = np.cumsum([len(line) + 1 for line in data]) - 1
    starts = stops - [len(line) for line in data]
    values = np.full((len(lines), 1 + max(kinds)), -1.0)
    spans = np.zeros((len(lines), sum(kind <= TEXT for kind in kinds), 2), np.int64)
    good = parse_cells(text, starts, stops, ord(","), np.array(kinds), values, spans)
    return good, values, spans, text.tobytes()


def test_numbers_have_the_bits_that_python_gives():
    rng = np.random.default_rng(3)
    cells = ["0", "-0", "+1.5", ".5", "5.", " 7 ", "1e3", "-2.5E-07", "9007199254740991", "1e22", "123456.789012345"]
    cells += [f"{value:.{digits}f}" for digits in range(9) for value in rng.normal(0, 10.0 ** rng.integers(0, 6), 20)]
    cells += [f"{value:.{digits}e}" for digits in range(1, 14) for value in rng.normal(0, 1, 5)]
    good, values, _, _ = parsed(cells, [0])
    assert good.all()
    np.testing.assert_array_equal(values[:, 0].view(np.int64), np.array([float(cell) for cell in cells]).view(np.int64))


def test_many_digits_are_within_one_unit_in_the_last_place():
    cells = [repr(float(value)) for value in np.random.default_rng(4).normal(0, 100, 200)]
    good, values, _, _ = parsed(cells, [0])
    assert good.all()
    np.testing.assert_array_max_ulp(values[:, 0], np.array([float(cell) for cell in cells]), 1)


@pytest.mark.parametrize("cell", ["", " ", "nan", "NaN", "-NAN"])
def test_no_data(cell):
    good, values, _, _ = parsed([f"{cell},1"], [0, 1])
    assert good.all()
    assert np.isnan(values[0, 0])


@pytest.mark.parametrize(
    "cell",
    [
        *(
            "x",
            "-",
            "+",
            ".",
            "1 2",
            "1,5",
            "--1",
            "1.2.3",
            "1e",
            "e5",
            "1e5.0",
            "1e+",
            "1d5",
            "0x10",
            "1_000",
            "inf",
            "-Infinity",
        ),
        *("nano", "1e9999", "1e300", "1e-300", "12345678901234567890", "1.2345678901234567890", "٣", "1\0", "1;2"),
    ],
)
def test_anything_else_is_left_to_the_caller(cell):
    good, _, _, _ = parsed(["3", cell], [0])
    assert good.tolist() == [True, False]


def test_lines_of_other_lengths_and_blank_ones_are_left_to_the_caller():
    good, values, _, _ = parsed(["1,2", "1", "1,2,3", "", ",", "1,", ",2", "1,2,"], [0, 1])
    assert good.tolist() == [True, False, False, False, False, True, True, False]
    np.testing.assert_array_equal(values[5], [1, np.nan])


def test_positions_of_text_and_columns_that_are_skipped():
    good, values, spans, text = parsed(["a,1,no number,é b", "cc,2,,d"], [TEXT, 0, SKIPPED, TEXT - 1])
    assert good.all()
    assert values[:, 0].tolist() == [1, 2]
    found = [[text[a:b].decode() for a, b in line] for line in spans.tolist()]
    assert found == [["a", "é b"], ["cc", "d"]]
