import type { VNode } from "preact";
import { percent, t } from "../../i18n";
import type { Segmentation } from "../../photo/segmentation";
import type { GarmentName } from "../../search/query";

interface OutlinesProps {
  segmentation: Segmentation;
  chosen: GarmentName | undefined;
  /** Filled, without the photograph: the mask itself. */
  solid: boolean;
  onChoose: (garment: GarmentName) => void;
}

/** The garments of a photograph drawn over it; a click on one chooses it, as its button beside does. */
export function Outlines({ segmentation, chosen, solid, onChoose }: OutlinesProps): VNode {
  const { widthPx, heightPx, garments, path: whole } = segmentation;
  return (
    <svg
      class={solid ? "outlines solid" : "outlines"}
      viewBox={`0 0 ${widthPx} ${heightPx}`}
      aria-hidden="true"
      focusable="false"
    >
      {garments.length === 0 && (
        <g class="outline">
          <path class="outline-fill" d={whole} fill-rule="evenodd" />
          <path class="outline-halo" d={whole} />
          <path class="outline-line" d={whole} />
        </g>
      )}
      {garments.map(({ name, confidence, path }) => (
        // biome-ignore lint/a11y/noStaticElementInteractions: the buttons beside do the same for everybody
        <g
          key={name}
          class={chosen === undefined || chosen === name ? `outline ${name}` : `outline ${name} other`}
          onClick={() => onChoose(name)}
        >
          <title>
            {t(`garment.${name}`)}, {percent(confidence)}
          </title>
          <path class="outline-fill" d={path} fill-rule="evenodd" />
          <path class="outline-halo" d={path} />
          <path class="outline-line" d={path} />
        </g>
      ))}
    </svg>
  );
}
