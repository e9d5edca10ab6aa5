import { useSignal } from "@preact/signals";
import type { TargetedPointerEvent, VNode } from "preact";
import { useRef } from "preact/hooks";
import type { ProductImage } from "../gen/lookalike/type/v1/product_pb";
import { Picture } from "./Picture";

/** More than this many segments could not be told apart by a hand. */
const MOST = 6;
/** A finger that moved this far meant to swipe. */
const SWIPE_PX = 28;

interface PictureStripProps {
  images: readonly ProductImage[];
  /** The photograph shown first. */
  first: number;
  eager?: boolean;
}

/**
 * A product's photographs in one frame. A mouse that moves over it leafs through them, a finger swipes;
 * the others are fetched when somebody begins.
 */
export function PictureStrip({ images, first, eager = false }: PictureStripProps): VNode {
  const shown =
    images.length > 0 ? [images[first], ...images.filter((_, at) => at !== first)].slice(0, MOST) : [];
  const at = useSignal(0);
  const begun = useSignal(false);
  const start = useRef<{ x: number; from: number } | null>(null);
  const swiped = useRef(false);

  const onMove = (event: TargetedPointerEvent<HTMLDivElement>): void => {
    if (shown.length < 2) return;
    if (event.pointerType === "mouse") {
      begun.value = true;
      const box = event.currentTarget.getBoundingClientRect();
      const share = (event.clientX - box.left) / box.width;
      at.value = Math.min(shown.length - 1, Math.max(0, Math.floor(share * shown.length)));
    } else if (start.current) {
      const moved = event.clientX - start.current.x;
      // Half of it tells a swipe from a page that is scrolled: what may be shown is fetched.
      if (Math.abs(moved) >= SWIPE_PX / 2) begun.value = true;
      if (Math.abs(moved) < SWIPE_PX) return;
      swiped.current = true;
      const step = moved < 0 ? 1 : -1;
      at.value = Math.min(shown.length - 1, Math.max(0, start.current.from + step));
    }
  };

  return (
    <div
      class="strip"
      onPointerDown={(event) => {
        if (event.pointerType === "mouse") return;
        swiped.current = false;
        start.current = { x: event.clientX, from: at.value };
      }}
      onPointerMove={onMove}
      onPointerUp={() => {
        start.current = null;
      }}
      onPointerCancel={() => {
        start.current = null;
      }}
      onPointerLeave={(event) => {
        if (event.pointerType === "mouse") at.value = 0;
      }}
      onClickCapture={(event) => {
        // A swipe ends with a click on the link around it, which nobody meant.
        if (!swiped.current) return;
        swiped.current = false;
        event.preventDefault();
        event.stopPropagation();
      }}
    >
      {shown.map((image, index) =>
        index === 0 || begun.value ? (
          <div
            key={`${index} ${image?.sha256}`}
            class={index === at.value ? "strip-frame shown" : "strip-frame"}
          >
            <Picture image={image} side={320} alt="" eager={eager || index > 0} />
          </div>
        ) : null,
      )}
      {shown.length === 0 && <Picture image={undefined} side={320} alt="" />}
      {shown.length > 1 && (
        <span class="strip-marks" aria-hidden="true">
          {shown.map((image, index) => (
            <span key={`${index} ${image?.sha256}`} class={index === at.value ? "on" : ""} />
          ))}
        </span>
      )}
    </div>
  );
}
