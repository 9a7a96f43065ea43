/**
 * The linear assignment problem with a cost limit: the pairs of rows and columns with the minimum total cost, where a row and
 * a column that remain unassigned cost `limit`. Shortest augmenting paths with dual variables, O(n²m): R. Jonker and
 * A. Volgenant, "A shortest augmenting path algorithm for dense and sparse linear assignment problems", Computing 38 (1987),
 * without its initialization, which only saves time. (Packages on npm solve square or profit matrices, without a limit.)
 */

/** Costs [rows, cols], row by row. */
export interface CostMatrix {
  rows: number;
  cols: number;
  data: Float64Array;
}

/** @returns the matrix of `cost(row, column)` */
export function costMatrix(rows: number, cols: number, cost: (row: number, col: number) => number): CostMatrix {
  return {
    rows,
    cols,
    data: Float64Array.from({ length: rows * cols }, (_, i) => cost(Math.floor(i / cols), i % cols)),
  };
}

/**
 * Costs are clipped to the limit, so that all of the smaller side can be assigned; pairs at the limit are then discarded.
 * @param limit every returned pair costs less
 * @returns [rows] the column assigned to each row, −1 for none
 */
export function assign(costs: CostMatrix, limit: number): Int32Array {
  const { rows, cols, data } = costs;
  const columnOf = new Int32Array(rows).fill(-1);
  const transposed = rows > cols;
  const [n, m] = transposed ? [cols, rows] : [rows, cols];
  const cost = (i: number, j: number): number => Math.min(data[transposed ? j * cols + i : i * cols + j], limit);
  const partner = solve(n, m, cost);
  for (let j = 0; j < m; j++) {
    const i = partner[j];
    if (i < 0 || cost(i, j) >= limit) continue;
    if (transposed) columnOf[j] = i;
    else columnOf[i] = j;
  }
  return columnOf;
}

/**
 * Assigns each of n rows to one of m ≥ n columns. Rows are added one after the other, each along the augmenting path that
 * increases the total cost least (Dijkstra's algorithm on costs reduced by the dual variables u and v).
 * @returns [m] the row assigned to each column, −1 for none
 */
function solve(n: number, m: number, cost: (i: number, j: number) => number): Int32Array {
  const partner = new Int32Array(m).fill(-1);
  const u = new Float64Array(n);
  const v = new Float64Array(m);
  const before = new Int32Array(m); // previous column on the path, −1 at its start
  for (let start = 0; start < n; start++) {
    const distance = new Float64Array(m).fill(Infinity);
    const done = new Uint8Array(m);
    let [row, column, shortest] = [start, -1, 0];
    do {
      let next = -1;
      for (let j = 0; j < m; j++) {
        if (done[j]) continue;
        const along = shortest + cost(row, j) - u[row] - v[j];
        if (along < distance[j]) {
          distance[j] = along;
          before[j] = column;
        }
        if (next < 0 || distance[j] < distance[next]) next = j;
      }
      column = next;
      shortest = distance[column];
      done[column] = 1;
      row = partner[column];
    } while (row >= 0);
    u[start] += shortest;
    for (let j = 0; j < m; j++) {
      if (!done[j] || j === column) continue;
      u[partner[j]] += shortest - distance[j];
      v[j] -= shortest - distance[j];
    }
    for (; column >= 0; column = before[column]) partner[column] = before[column] < 0 ? start : partner[before[column]];
  }
  return partner;
}
