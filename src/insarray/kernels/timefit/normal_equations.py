"""Normal equations of few columns for pixels side by side: sums over the rows, Cholesky factor, inverse, residuals.

Rows are dates or pairs; every array ends in the lane, which is the pixel. The loops over lanes do the same to each of
them in the same order, so the bits of a pixel do not depend on its neighbours (see `insarray.kernels.network.lanes`).
"""

from typing import NamedTuple

import numpy as np

from insarray.kernels.compiled import jit, lane_jit
from insarray.kernels.network.scratch import VECTOR, Array, aligned

_INDEPENDENT = 1e-10  # of a column's own square: what must be left of it beside the others
_PART = 1e-4  # of a column that is left out: a share of another from which that one is undetermined too


class Group(NamedTuple):
    """Working memory of `VECTOR` pixels; q is a subset of the rows with an offset of its own."""

    value: Array  # (row), 0 where not used
    weight: Array  # (row), 0 where not used
    label: Array  # (row) uint8; empty if all rows belong together
    own: Array  # (own column, row), columns of the pixels' own, the last ones
    sums: Array  # (q, column + 2): of weight, weight * column, weight * value
    normal: Array  # (column, column), lower half
    right: Array  # (column)
    raw: Array  # (column), squares of the columns before their means are taken out
    factor: Array  # (column, column), Cholesky factor of the correlation, 0 in rows and columns left out
    root: Array  # (column, column), its inverse
    reciprocal: Array  # (column), 1 / diagonal of the factor, 0 if left out
    scale: Array  # (column), square root of the diagonal of the normal matrix
    undetermined: Array  # (column) bool
    inverse: Array  # (column, column), of the normal matrix
    terms: Array  # (column)
    offset: Array  # (q)
    residual: Array  # (row)
    square: Array  # ()
    used: Array  # () int64, rows
    subsets: Array  # () int64 with rows
    kept: Array  # () int64, columns
    shared: Array  # (1) bool: what does not depend on the values is that of complete pixels
    buffer: Array  # (2)


def make_group(rows: int, columns: int, own: int, subsets: int, *, labelled: bool) -> Group:
    """Working memory for `columns` columns, of which the last are the pixels' own, and labels up to `subsets`."""

    def floats(*shape: int) -> Array:
        return aligned((*shape, VECTOR))

    return Group(
        value=floats(rows),
        weight=floats(rows),
        label=aligned((rows if labelled else 0, VECTOR), np.uint8),
        own=floats(own, rows),
        sums=floats(subsets, columns + 2),
        normal=floats(columns, columns),
        right=floats(columns),
        raw=floats(columns),
        factor=floats(columns, columns),
        root=floats(columns, columns),
        reciprocal=floats(columns),
        scale=floats(columns),
        undetermined=aligned((columns, VECTOR), np.bool_),
        inverse=floats(columns, columns),
        terms=floats(columns),
        offset=floats(subsets),
        residual=floats(rows),
        square=floats(),
        used=aligned(VECTOR, np.int64),
        subsets=aligned(VECTOR, np.int64),
        kept=aligned(VECTOR, np.int64),
        shared=np.zeros(1, np.bool_),
        buffer=floats(2),
    )


@lane_jit
def load(values, label, weight, columns, multiplicity, first, group):
    """Copy the pixels from `first` on into the lanes; what is missing or not to be used gets weight 0."""
    finite = group.buffer[0]
    for v in range(group.value.shape[0]):
        number, value, used = multiplicity[v], group.value[v], group.weight[v]
        given = values[v, first : first + VECTOR]
        for p in range(VECTOR):
            value[p] = np.float64(given[p])
        for p in range(VECTOR):
            used[p] = number if abs(value[p]) < np.inf else 0.0
        if weight.shape[0] > 0:
            factor = weight[v, first : first + VECTOR]
            for p in range(VECTOR):
                finite[p] = np.float64(factor[p])
            for p in range(VECTOR):
                used[p] *= finite[p] if finite[p] > 0.0 and finite[p] < np.inf else 0.0
        for i in range(columns.shape[0]):
            own, given_own = group.own[i, v], columns[i, v, first : first + VECTOR]
            for p in range(VECTOR):
                own[p] = np.float64(given_own[p])
            for p in range(VECTOR):
                used[p] = used[p] if abs(own[p]) < np.inf else 0.0
        if label.shape[0] > 0:
            subset = group.label[v]
            subset[:] = label[v, first : first + VECTOR]
            for p in range(VECTOR):
                used[p] = used[p] if subset[p] > 0 else 0.0
        for p in range(VECTOR):
            value[p] = value[p] if used[p] > 0.0 else 0.0
        for i in range(columns.shape[0]):
            own = group.own[i, v]
            for p in range(VECTOR):
                own[p] = own[p] if used[p] > 0.0 else 0.0


@lane_jit
def solve_group(design, offsets, multiplicity, group):
    """Terms, inverse of the normal matrix, offsets, residuals and counts of the group that is loaded.

    A group of complete pixels takes over from one before what does not depend on the values: the same bits.
    """
    complete = _is_complete(multiplicity, group)
    if complete and group.shared[0]:
        _accumulate_values(design, multiplicity, group)
    else:
        _accumulate(design, group)
        if offsets and group.offset.shape[0] > 1:
            _sum_by_subset(design, group)
    if offsets:
        _take_out_offsets(group, not (complete and group.shared[0]))
    if not (complete and group.shared[0]):
        _factorise(group)
        _invert(group)
    group.shared[0] = complete
    _solve(group)
    _residuals(design, offsets, group)


@jit
def _is_complete(multiplicity, group):
    """Whether all pixels have all rows, in one subset, without weights or columns of their own."""
    if group.own.shape[0] > 0 or group.offset.shape[0] > 1:
        return False
    for v in range(group.weight.shape[0]):
        different = 0
        for p in range(VECTOR):
            different += group.weight[v, p] != multiplicity[v]
        if different > 0:
            return False
    return True


@lane_jit
def _accumulate_values(design, multiplicity, group):
    """`_accumulate` of what depends on the values, in complete pixels."""
    rows, columns = design.shape
    group.right[:] = 0.0
    value_sum = group.sums[0, columns + 1]
    value_sum[:] = 0.0
    for v in range(rows):
        weight, value = multiplicity[v], group.value[v]
        for i in range(columns):
            product, right = weight * design[v, i], group.right[i]
            for p in range(VECTOR):
                right[p] += product * value[p]
        for p in range(VECTOR):
            value_sum[p] += weight * value[p]


@lane_jit
def _accumulate(design, group):
    """Sums over all rows: products of the columns, and what one offset needs."""
    rows, shared = design.shape
    columns = group.right.shape[0]
    group.normal[:] = 0.0
    group.right[:] = 0.0
    group.sums[:] = 0.0
    group.used[:] = 0
    product, together, count = group.buffer[0], group.sums[0], group.used
    total, value_sum = together[0], together[columns + 1]
    for v in range(rows):
        weight, value = group.weight[v], group.value[v]
        for p in range(VECTOR):
            count[p] += 1 if weight[p] > 0.0 else 0
        for i in range(columns):
            if i < shared:
                g = design[v, i]
                for p in range(VECTOR):
                    product[p] = weight[p] * g
            else:
                own = group.own[i - shared, v]
                for p in range(VECTOR):
                    product[p] = weight[p] * own[p]
                for j in range(shared, i + 1):
                    own, entry = group.own[j - shared, v], group.normal[i, j]
                    for p in range(VECTOR):
                        entry[p] += product[p] * own[p]
            for j in range(min(i + 1, shared)):
                other, entry = design[v, j], group.normal[i, j]
                for p in range(VECTOR):
                    entry[p] += product[p] * other
            right = group.right[i]
            for p in range(VECTOR):
                right[p] += product[p] * value[p]
            column_sum = together[1 + i]
            for p in range(VECTOR):
                column_sum[p] += product[p]
        for p in range(VECTOR):
            total[p] += weight[p]
        for p in range(VECTOR):
            value_sum[p] += weight[p] * value[p]
    for i in range(columns):
        group.raw[i] = group.normal[i, i]


@lane_jit
def _sum_by_subset(design, group):
    """Sums over the rows of every subset, where there are several."""
    rows, shared = design.shape
    columns = group.right.shape[0]
    group.sums[:] = 0.0
    weight = group.buffer[0]
    for q in range(group.offset.shape[0]):
        for v in range(rows):
            label, total, value_sum = group.label[v], group.sums[q, 0], group.sums[q, columns + 1]
            for p in range(VECTOR):
                weight[p] = group.weight[v, p] if label[p] == q + 1 else 0.0
            for p in range(VECTOR):
                total[p] += weight[p]
            for p in range(VECTOR):
                value_sum[p] += weight[p] * group.value[v, p]
            for i in range(shared):
                g, column_sum = design[v, i], group.sums[q, 1 + i]
                for p in range(VECTOR):
                    column_sum[p] += weight[p] * g
            for i in range(shared, columns):
                own, column_sum = group.own[i - shared, v], group.sums[q, 1 + i]
                for p in range(VECTOR):
                    column_sum[p] += weight[p] * own[p]


@lane_jit
def _take_out_offsets(group, normal):
    """Subtract from the right-hand sides, and the normal matrix if asked, what the mean of each subset takes up."""
    subsets, columns = group.offset.shape[0], group.right.shape[0]
    if normal:
        group.subsets[:] = 0
    share = group.buffer[0]
    for q in range(subsets):
        sums = group.sums[q]
        if normal:
            for p in range(VECTOR):
                group.subsets[p] += 1 if sums[0, p] > 0.0 else 0
        for i in range(columns):
            for p in range(VECTOR):
                share[p] = sums[1 + i, p] / sums[0, p] if sums[0, p] > 0.0 else 0.0
            for p in range(VECTOR):
                group.right[i, p] -= share[p] * sums[columns + 1, p]
            if normal:
                for j in range(i + 1):
                    for p in range(VECTOR):
                        group.normal[i, j, p] -= share[p] * sums[1 + j, p]


@lane_jit
def _factorise(group):
    """Cholesky factor of the correlation of the columns that are independent of those before; their number."""
    columns = group.right.shape[0]
    group.factor[:] = 0.0
    group.kept[:] = 0
    rest, value = group.buffer[0], group.buffer[1]
    for i in range(columns):
        for p in range(VECTOR):
            diagonal = group.normal[i, i, p]
            group.scale[i, p] = np.sqrt(diagonal) if diagonal > _INDEPENDENT * group.raw[i, p] else 0.0
            rest[p] = 1.0
        for j in range(i):
            for p in range(VECTOR):
                both = group.scale[i, p] * group.scale[j, p]
                value[p] = group.normal[i, j, p] / both if both > 0.0 else 0.0
            for k in range(j):
                for p in range(VECTOR):
                    value[p] -= group.factor[i, k, p] * group.factor[j, k, p]
            for p in range(VECTOR):
                group.factor[i, j, p] = value[p] * group.reciprocal[j, p]
            for p in range(VECTOR):
                rest[p] -= group.factor[i, j, p] * group.factor[i, j, p]
        left_out = 0
        for p in range(VECTOR):
            inside = group.scale[i, p] > 0.0 and rest[p] > _INDEPENDENT
            group.factor[i, i, p] = np.sqrt(rest[p]) if inside else 0.0
            group.reciprocal[i, p] = 1.0 / np.sqrt(rest[p]) if inside else 0.0
            group.undetermined[i, p] = not inside
            group.kept[p] += 1 if inside else 0
            left_out += 0 if inside else 1
        if left_out > 0:
            _leave_out(group, i)


@jit
def _leave_out(group, i):
    """In the lanes where column `i` is left out, mark the columns before that make it up, and forget it."""
    for p in range(VECTOR):
        if not group.undetermined[i, p]:
            continue
        for j in range(i - 1, -1, -1):
            value = group.factor[i, j, p]
            for k in range(j + 1, i):
                value -= group.factor[k, j, p] * group.factor[i, k, p]
            group.factor[i, j, p] = value * group.reciprocal[j, p]
            if abs(group.factor[i, j, p]) > _PART:
                group.undetermined[j, p] = True
        for j in range(i):
            group.factor[i, j, p] = 0.0


@lane_jit
def _invert(group):
    """Inverse of the normal matrix of the columns inside; 0 for the others."""
    columns = group.right.shape[0]
    group.root[:] = 0.0
    value = group.buffer[0]
    for j in range(columns):
        group.root[j, j] = group.reciprocal[j]
        for i in range(j + 1, columns):
            value[:] = 0.0
            for k in range(j, i):
                for p in range(VECTOR):
                    value[p] -= group.factor[i, k, p] * group.root[k, j, p]
            for p in range(VECTOR):
                group.root[i, j, p] = value[p] * group.reciprocal[i, p]
    for i in range(columns):
        for j in range(i + 1):
            value[:] = 0.0
            for k in range(i, columns):
                for p in range(VECTOR):
                    value[p] += group.root[k, i, p] * group.root[k, j, p]
            for p in range(VECTOR):
                both = group.scale[i, p] * group.scale[j, p]
                group.inverse[i, j, p] = value[p] / both if both > 0.0 else 0.0
            group.inverse[j, i] = group.inverse[i, j]


@lane_jit
def _solve(group):
    columns = group.right.shape[0]
    group.terms[:] = 0.0
    for i in range(columns):
        for j in range(columns):
            for p in range(VECTOR):
                group.terms[i, p] += group.inverse[i, j, p] * group.right[j, p]


@lane_jit
def _residuals(design, offsets, group):
    """Value minus terms and offset of every row, and the sum of their weighted squares."""
    rows, shared = design.shape
    subsets, columns = group.offset.shape[0], group.right.shape[0]
    group.offset[:] = 0.0
    if offsets:
        for q in range(subsets):
            offset, sums = group.offset[q], group.sums[q]
            offset[:] = sums[columns + 1]
            for i in range(columns):
                for p in range(VECTOR):
                    offset[p] -= group.terms[i, p] * sums[1 + i, p]
            for p in range(VECTOR):
                offset[p] = offset[p] / sums[0, p] if sums[0, p] > 0.0 else 0.0
    group.square[:] = 0.0
    for v in range(rows):
        residual, weight = group.residual[v], group.weight[v]
        residual[:] = group.value[v]
        for i in range(shared):
            g, term = design[v, i], group.terms[i]
            for p in range(VECTOR):
                residual[p] -= term[p] * g
        for i in range(shared, columns):
            own, term = group.own[i - shared, v], group.terms[i]
            for p in range(VECTOR):
                residual[p] -= term[p] * own[p]
        if offsets and subsets == 1:
            for p in range(VECTOR):
                residual[p] -= group.offset[0, p]
        elif offsets:
            label = group.label[v]
            for p in range(VECTOR):
                residual[p] -= group.offset[max(np.int64(label[p]), 1) - 1, p]
        for p in range(VECTOR):
            group.square[p] += weight[p] * residual[p] * residual[p]
