import { useSignal } from "@preact/signals";
import type { VNode } from "preact";
import { useEffect } from "preact/hooks";
import { useMessages } from "../../i18n";
import { Icon } from "../../parts/Icon";
import type { Photo } from "./drafts";
import { messages } from "./messages";

/** A photograph of a product to be added; a sign where the browser cannot show it (HEIC, say). */
export function PhotoTile({ photo, onRemove }: { photo: Photo; onRemove?: () => void }): VNode {
  const m = useMessages(messages);
  const { file } = photo;
  const url = useSignal("");
  const broken = useSignal(false);
  useEffect(() => {
    const made = URL.createObjectURL(file);
    url.value = made;
    return () => URL.revokeObjectURL(made);
  }, [file]);
  const failed = photo.problem !== undefined || photo.failure !== undefined;
  return (
    <li class={failed ? "photo-tile failed" : "photo-tile"} title={file.name}>
      {url.value !== "" && !broken.value ? (
        <img
          src={url.value}
          alt={file.name}
          loading="lazy"
          decoding="async"
          onError={() => {
            broken.value = true;
          }}
        />
      ) : (
        <span class="photo-tile-sign" role="img" aria-label={file.name}>
          <Icon name="picture" size={24} />
        </span>
      )}
      {failed && (
        <span class="photo-tile-mark">
          <Icon name="alert" size={16} />
        </span>
      )}
      {onRemove && (
        <button
          type="button"
          class="photo-tile-remove"
          aria-label={m("photo.remove", { name: file.name })}
          title={m("photo.remove", { name: file.name })}
          onClick={onRemove}
        >
          <Icon name="close" size={14} />
        </button>
      )}
    </li>
  );
}
