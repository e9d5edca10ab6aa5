import type { VNode } from "preact";
import { curve, type Measure, type Sample } from "./samples";

const WIDTH = 240;
const HEIGHT = 36;

/** The last minutes of a measure, as a line. */
export function Sparkline(props: { samples: readonly Sample[]; of: Measure; label: string }): VNode {
  return (
    <svg
      class="sparkline"
      viewBox={`0 -2 ${WIDTH} ${HEIGHT + 4}`}
      preserveAspectRatio="none"
      role="img"
      aria-label={props.label}
    >
      <path d={`M0 ${HEIGHT}H${WIDTH}`} class="sparkline-floor" />
      <path d={curve(props.samples, props.of, WIDTH, HEIGHT)} class="sparkline-line" />
    </svg>
  );
}
