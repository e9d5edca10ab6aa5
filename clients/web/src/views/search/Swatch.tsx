import type { VNode } from "preact";
import { swatchOf } from "../../search/swatch";
import "./swatch.css";

/** A colour of the catalogue as it looks; stripes where its name says nothing. */
export function Swatch({ name }: { name: string }): VNode {
  const { tones } = swatchOf(name);
  const [only] = tones;
  if (only === undefined) return <span class="swatch unknown" aria-hidden="true" />;
  const share = 100 / tones.length;
  const stops = tones.map((tone, index) => `${tone} ${share * index}% ${share * (index + 1)}%`);
  return (
    <span
      class="swatch"
      aria-hidden="true"
      style={
        tones.length === 1
          ? { backgroundColor: only }
          : { backgroundImage: `linear-gradient(90deg, ${stops.join(", ")})` }
      }
    />
  );
}
