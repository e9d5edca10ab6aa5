import type { VNode } from "preact";
import { Garment } from "../../gen/lookalike/type/v1/garment_pb";
import type { ProductImage } from "../../gen/lookalike/type/v1/product_pb";
import { percent, t } from "../../i18n";
import { choiceOf } from "./choices";

/**
 * The garments that were found, drawn over the photograph. The drawing has the photograph's own
 * pixels as its unit and fits its frame in the same way, so the two stay in step at any size.
 */
export function GarmentBoxes({ image }: { image: ProductImage }): VNode {
  const parts = image.garments.filter(({ garment }) => garment !== Garment.UNION);
  const shown = parts.length > 0 ? parts : image.garments;
  const letter = Math.max(image.widthPx, image.heightPx) / 32;
  return (
    <svg class="garment-boxes" viewBox={`0 0 ${image.widthPx} ${image.heightPx}`} aria-hidden="true">
      {shown.map(({ garment, boundingBox: box, confidence }) => {
        if (!box) return null;
        const choice = choiceOf(garment) ?? "union";
        const label = `${t(`garment.${choice}`)} ${percent(confidence)}`;
        return (
          <g key={garment} class={choice}>
            <rect x={box.leftPx} y={box.topPx} width={box.widthPx} height={box.heightPx} rx={letter / 3} />
            <text
              x={box.leftPx + letter / 2}
              y={box.topPx + letter * 1.4}
              font-size={letter}
              stroke-width={letter / 3.5}
            >
              {label}
            </text>
          </g>
        );
      })}
    </svg>
  );
}
