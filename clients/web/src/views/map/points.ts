/** Columns of one `MapPoints` message. */
export interface PointColumns {
  readonly productIds: readonly string[];
  /** For each point x then y, uint16 little-endian. */
  readonly xyU16: Uint8Array;
  readonly clusters: readonly number[];
}

/** All points of a map, column by column: 140,000 of them take 1.7 MB besides their names. */
export interface Points {
  readonly ids: readonly string[];
  readonly xs: Float32Array;
  readonly ys: Float32Array;
  /** Position of the neighbourhood; −1: none. */
  readonly clusters: Int16Array;
}

const FULL = 65535;
const BYTES_A_POINT = 4;

/** Collects the messages of a map's stream. */
export class PointsBuilder {
  private readonly ids: string[] = [];
  private readonly xs: number[] = [];
  private readonly ys: number[] = [];
  private readonly clusters: number[] = [];

  /** @throws RangeError where the columns are not of one length: nothing of such a map is true. */
  add(columns: PointColumns): void {
    const count = columns.productIds.length;
    if (columns.xyU16.length !== count * BYTES_A_POINT || columns.clusters.length !== count) {
      throw new RangeError(`a map's columns differ in length: ${count} identifiers`);
    }
    // A DataView says "little-endian" whatever the machine is, and takes any alignment.
    const { buffer, byteOffset, byteLength } = columns.xyU16;
    const numbers = new DataView(buffer, byteOffset, byteLength);
    for (let i = 0; i < count; i++) {
      this.ids.push(columns.productIds[i] as string);
      this.xs.push(numbers.getUint16(i * BYTES_A_POINT, true) / FULL);
      this.ys.push(numbers.getUint16(i * BYTES_A_POINT + 2, true) / FULL);
      this.clusters.push(columns.clusters[i] as number);
    }
  }

  build(): Points {
    return {
      ids: this.ids,
      xs: Float32Array.from(this.xs),
      ys: Float32Array.from(this.ys),
      clusters: Int16Array.from(this.clusters),
    };
  }
}

/** An element that is known to be there: loops over columns stay within their length. */
export function entry(column: Float32Array | Int16Array | Uint32Array | Uint8Array, i: number): number {
  return column[i] as number;
}
