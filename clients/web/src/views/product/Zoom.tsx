import type { VNode } from "preact";
import { useEffect, useRef } from "preact/hooks";
import type { ProductImage } from "../../gen/lookalike/type/v1/product_pb";
import { t } from "../../i18n";
import { Icon } from "../../parts/Icon";
import { Picture } from "../../parts/Picture";
import { Steps } from "./Steps";

interface ZoomProps {
  image: ProductImage;
  alt: string;
  /** Goes to the next (1) or the previous (−1) photograph; absent with a single one. */
  onStep?: (step: number) => void;
  onClose: () => void;
}

/** A photograph as large as the window. */
export function Zoom({ image, alt, onStep, onClose }: ZoomProps): VNode {
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    dialog.current?.showModal();
  }, []);
  return (
    // biome-ignore lint/a11y/useKeyWithClickEvents: the browser closes a dialog on Escape by itself
    <dialog
      class="zoom"
      ref={dialog}
      aria-label={alt}
      onClose={onClose}
      onClick={(event) => {
        if (!(event.target instanceof Element && event.target.closest("button"))) dialog.current?.close();
      }}
    >
      <Picture key={image.sha256} image={image} side={1280} alt={alt} eager />
      <button
        type="button"
        class="icon-button zoom-close"
        aria-label={t("action.close")}
        onClick={() => dialog.current?.close()}
      >
        <Icon name="close" />
      </button>
      {onStep && <Steps onStep={onStep} />}
    </dialog>
  );
}
