import { useSignal } from "@preact/signals";
import type { VNode } from "preact";
import { imageUrl } from "../api/match";
import type { ProductImage } from "../gen/lookalike/type/v1/product_pb";
import { t } from "../i18n";
import { Icon } from "./Icon";
import "./picture.css";

export type Side = 160 | 320 | 640 | 1280;

interface PictureProps {
  image: ProductImage | undefined;
  /** Longest side in CSS pixels; screens with more pixels get the next size. */
  side: Side;
  alt: string;
  /** Above the fold: fetched at once. */
  eager?: boolean;
}

const DOUBLE: Record<Side, Side> = { 160: 320, 320: 640, 640: 1280, 1280: 1280 };

/** A photograph of a product; a quiet sign where it cannot be had. */
export function Picture({ image, side, alt, eager = false }: PictureProps): VNode {
  const brokenUrl = useSignal("");
  const url = image ? imageUrl(image, side) : "";
  if (!image || url === "" || brokenUrl.value === url) {
    return (
      <span
        class="picture broken"
        role="img"
        aria-hidden={alt === ""}
        aria-label={alt ? `${alt}: ${t("picture.broken")}` : undefined}
      >
        <Icon name="picture" size={32} />
        <span aria-hidden="true">{t("picture.broken")}</span>
      </span>
    );
  }
  const stored = image.sizeBytes > 0n;
  return (
    <img
      class="picture"
      src={url}
      srcset={stored ? `${url} 1x, ${imageUrl(image, DOUBLE[side])} 2x` : undefined}
      width={image.widthPx || undefined}
      height={image.heightPx || undefined}
      alt={alt}
      loading={eager ? "eager" : "lazy"}
      fetchpriority={eager ? "high" : "auto"}
      decoding="async"
      draggable={false}
      onError={() => {
        brokenUrl.value = url;
      }}
    />
  );
}
