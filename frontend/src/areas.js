// Drawn areas: which pixels are inside, and how large they are.

/** Pixels: the window [start, stop) of rows and of columns, and which of them count. */
export function rectangle(rows, cols) {
  return { rows, cols, inside: () => true };
}

/** Pixels whose middle is inside corners [row, col]; of points those whose place is. */
export function polygon(result, frame, ring) {
  if (result.isPoints) {
    const within = result.x.map((_, k) => Number(contains(ring, ...frame.place(0, k))));
    return { rows: [0, 1], cols: [0, result.x.length], inside: (row, col) => within[col] === 1 };
  }
  const corners = ring.map((at) => frame.position(at));
  const range = (k, size) => {
    const values = corners.map((corner) => corner[k]);
    return [Math.max(Math.ceil(Math.min(...values)), 0), Math.min(Math.floor(Math.max(...values)) + 1, size)];
  };
  const [rows, cols] = [0, 1].map((k) => range(k, result.about.shape[k]));
  return { rows, cols, inside: (row, col) => contains(corners, row, col) };
}

/** Whether a place is inside a ring, by the number of its sides to one side of it. */
export function contains(ring, a, b) {
  let inside = false;
  for (let k = 0, j = ring.length - 1; k < ring.length; j = k++) {
    const [[a0, b0], [a1, b1]] = [ring[k], ring[j]];
    if (a0 > a !== a1 > a && b < b0 + ((a - a0) / (a1 - a0)) * (b1 - b0)) inside = !inside;
  }
  return inside;
}

/** Parts of a region of at most some rows and columns that have pixels of it: [rows, cols, numbers of these pixels]. */
export function* windows(region, size) {
  const [rowSize, colSize] = size;
  const [[top, bottom], [left, right]] = [region.rows, region.cols];
  for (let row = top - (top % rowSize); row < bottom; row += rowSize) {
    for (let col = left - (left % colSize); col < right; col += colSize) {
      const rows = [Math.max(row, top), Math.min(row + rowSize, bottom)];
      const cols = [Math.max(col, left), Math.min(col + colSize, right)];
      const numbers = [];
      for (let r = rows[0]; r < rows[1]; r++)
        for (let c = cols[0]; c < cols[1]; c++) if (region.inside(r, c)) numbers.push((r - rows[0]) * (cols[1] - cols[0]) + c - cols[0]);
      if (numbers.length) yield [rows, cols, numbers];
    }
  }
}
