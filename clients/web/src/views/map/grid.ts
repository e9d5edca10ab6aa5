import { entry } from "./points";

/** A rectangle of the map. */
export interface Region {
  readonly left: number;
  readonly top: number;
  readonly right: number;
  readonly bottom: number;
}

const POINTS_A_CELL = 6;
const MOST_CELLS_A_SIDE = 512;

/**
 * Finds points by place. The points of each cell of a square grid lie side by side in one array
 * (counting sort), so a query reads memory in order and makes no garbage.
 */
export class Grid {
  private readonly side: number;
  private readonly starts: Uint32Array;
  private readonly order: Uint32Array;

  constructor(
    private readonly xs: Float32Array,
    private readonly ys: Float32Array,
  ) {
    const wanted = Math.ceil(Math.sqrt(xs.length / POINTS_A_CELL));
    this.side = Math.min(Math.max(wanted, 1), MOST_CELLS_A_SIDE);
    this.starts = new Uint32Array(this.side * this.side + 1);
    this.order = new Uint32Array(xs.length);
    const { starts, order } = this;
    for (let i = 0; i < xs.length; i++) {
      const after = this.cellOf(i) + 1;
      starts[after] = entry(starts, after) + 1;
    }
    for (let c = 1; c < starts.length; c++) starts[c] = entry(starts, c) + entry(starts, c - 1);
    const next = starts.slice(0, -1);
    for (let i = 0; i < xs.length; i++) {
      const cell = this.cellOf(i);
      const at = entry(next, cell);
      order[at] = i;
      next[cell] = at + 1;
    }
  }

  /** Writes the points inside the region to `found` and returns how many there are. */
  inside(region: Region, found: Uint32Array): number {
    const { xs, ys, order, starts, side } = this;
    const [firstRow, lastRow] = [this.line(region.top), this.line(region.bottom)];
    const [firstColumn, lastColumn] = [this.line(region.left), this.line(region.right)];
    let count = 0;
    for (let row = firstRow; row <= lastRow; row++) {
      // The cells of a row are neighbours in memory too: one run for all of them.
      const end = entry(starts, row * side + lastColumn + 1);
      for (let at = entry(starts, row * side + firstColumn); at < end; at++) {
        const i = order[at] as number;
        const x = xs[i] as number;
        const y = ys[i] as number;
        if (x >= region.left && x <= region.right && y >= region.top && y <= region.bottom) {
          found[count++] = i;
        }
      }
    }
    return count;
  }

  /** The point nearest to a place and at most `within` away from it; −1 if there is none. */
  nearest(x: number, y: number, within: number): number {
    const { xs, ys, order, starts, side } = this;
    let best = -1;
    let bestSquare = within * within;
    const [firstRow, lastRow] = [this.line(y - within), this.line(y + within)];
    const [firstColumn, lastColumn] = [this.line(x - within), this.line(x + within)];
    for (let row = firstRow; row <= lastRow; row++) {
      const end = entry(starts, row * side + lastColumn + 1);
      for (let at = entry(starts, row * side + firstColumn); at < end; at++) {
        const i = order[at] as number;
        const square = ((xs[i] as number) - x) ** 2 + ((ys[i] as number) - y) ** 2;
        if (square <= bestSquare) {
          best = i;
          bestSquare = square;
        }
      }
    }
    return best;
  }

  private line(coordinate: number): number {
    return Math.min(Math.max(Math.floor(coordinate * this.side), 0), this.side - 1);
  }

  private cellOf(i: number): number {
    return this.line(entry(this.ys, i)) * this.side + this.line(entry(this.xs, i));
  }
}
