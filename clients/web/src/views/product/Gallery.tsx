import { useSignal } from "@preact/signals";
import type { VNode } from "preact";
import { useRef } from "preact/hooks";
import type { ProductImage } from "../../gen/lookalike/type/v1/product_pb";
import { t, useMessages } from "../../i18n";
import { Picture } from "../../parts/Picture";
import { GarmentBoxes } from "./GarmentBoxes";
import { messages } from "./messages";
import { Steps } from "./Steps";
import { Zoom } from "./Zoom";
import "./gallery.css";

/** A finger that moved this far meant to swipe. */
const SWIPE_PX = 40;

/** All photographs of a product: one large, the others to choose from; by mouse, finger and keys. */
export function Gallery({ images, name }: { images: readonly ProductImage[]; name: string }): VNode {
  const m = useMessages(messages);
  const at = useSignal(0);
  const boxes = useSignal(false);
  const zoomed = useSignal(false);
  const startX = useRef<number | null>(null);
  const swiped = useRef(false);
  const thumbs = useRef<HTMLUListElement>(null);

  const image = images[at.value];
  const go = (step: number): void => {
    at.value = (at.value + step + images.length) % images.length;
  };
  const onKeyDown = (event: KeyboardEvent): void => {
    const step = event.key === "ArrowRight" ? 1 : event.key === "ArrowLeft" ? -1 : 0;
    if (step === 0 || images.length < 2) return;
    event.preventDefault();
    go(step);
    // The focus goes along if it is on a small picture, so that Enter means what is shown.
    if (thumbs.current?.contains(document.activeElement)) {
      thumbs.current.querySelectorAll("button")[at.value]?.focus();
    }
  };
  if (!image) {
    return (
      <div class="gallery">
        <div class="gallery-stage">
          <Picture image={undefined} side={640} alt={name} />
        </div>
      </div>
    );
  }
  const alt = images.length > 1 ? `${name}, ${position(at.value, images.length)}` : name;
  return (
    // biome-ignore lint/a11y/noStaticElementInteractions: arrows work wherever in the gallery the focus is
    <div class="gallery" onKeyDown={onKeyDown}>
      <div
        class="gallery-stage"
        onPointerDown={(event) => {
          swiped.current = false;
          startX.current = event.pointerType === "mouse" ? null : event.clientX;
        }}
        onPointerUp={(event) => {
          const moved = startX.current === null ? 0 : event.clientX - startX.current;
          startX.current = null;
          if (Math.abs(moved) < SWIPE_PX || images.length < 2) return;
          swiped.current = true;
          go(moved < 0 ? 1 : -1);
        }}
      >
        <button
          type="button"
          class="gallery-zoom"
          aria-label={m("zoom", { name: alt })}
          onClick={() => {
            zoomed.value = !swiped.current;
            swiped.current = false;
          }}
        >
          <Picture key={image.sha256} image={image} side={640} alt={alt} eager />
          {boxes.value && <GarmentBoxes image={image} />}
        </button>
        {images.length > 1 && <Steps onStep={go} />}
      </div>
      <div class="gallery-below">
        {images.length > 1 && (
          <ul class="gallery-thumbs" ref={thumbs} aria-label={m("photographs")}>
            {images.map((one, index) => (
              <li key={`${index} ${one.sha256}`}>
                <button
                  type="button"
                  aria-label={position(index, images.length)}
                  aria-current={index === at.value ? "true" : undefined}
                  onClick={() => {
                    at.value = index;
                  }}
                >
                  <Picture image={one} side={160} alt="" />
                </button>
              </li>
            ))}
          </ul>
        )}
        {image.garments.length > 0 && (
          <button
            type="button"
            class="button small quiet gallery-boxes"
            aria-pressed={boxes.value}
            onClick={() => {
              boxes.value = !boxes.value;
            }}
          >
            {m(boxes.value ? "boxes.hide" : "boxes.show")}
          </button>
        )}
      </div>
      {zoomed.value && (
        <Zoom
          image={image}
          alt={alt}
          onStep={images.length > 1 ? go : undefined}
          onClose={() => {
            zoomed.value = false;
          }}
        />
      )}
    </div>
  );
}

function position(index: number, count: number): string {
  return t("card.view", { index: index + 1, count });
}
