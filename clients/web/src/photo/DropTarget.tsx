import { useSignal } from "@preact/signals";
import type { VNode } from "preact";
import { useEffect } from "preact/hooks";
import { t } from "../i18n";
import { Icon } from "../parts/Icon";
import { route } from "../router";
import { photoAmong, searchByPhoto } from "./add";
import { meansText } from "./paste";
import "./drop-target.css";

/** Takes photographs that are dropped or pasted anywhere, save where products are added. */
export function DropTarget(): VNode | null {
  const over = useSignal(false);

  useEffect(() => {
    // Entering a child leaves its parent: only the balance tells whether the pointer is still here.
    let depth = 0;
    const here = (event: DragEvent): boolean =>
      route.peek().view !== "ingest" && (event.dataTransfer?.types.includes("Files") ?? false);
    const onEnter = (event: DragEvent): void => {
      if (!here(event)) return;
      depth += 1;
      over.value = true;
    };
    const onLeave = (event: DragEvent): void => {
      if (!here(event)) return;
      depth = Math.max(0, depth - 1);
      over.value = depth > 0;
    };
    const onOver = (event: DragEvent): void => {
      if (here(event)) event.preventDefault();
    };
    const onDrop = (event: DragEvent): void => {
      if (!here(event)) return;
      event.preventDefault();
      depth = 0;
      over.value = false;
      const file = photoAmong(event.dataTransfer);
      if (file) void searchByPhoto(file);
    };
    const onPaste = (event: ClipboardEvent): void => {
      if (route.peek().view === "ingest") return;
      const file = photoAmong(event.clipboardData);
      if (!file?.type.startsWith("image/")) return;
      if (meansText(event)) return;
      event.preventDefault();
      void searchByPhoto(file);
    };
    addEventListener("dragenter", onEnter);
    addEventListener("dragleave", onLeave);
    addEventListener("dragover", onOver);
    addEventListener("drop", onDrop);
    addEventListener("paste", onPaste);
    return () => {
      removeEventListener("dragenter", onEnter);
      removeEventListener("dragleave", onLeave);
      removeEventListener("dragover", onOver);
      removeEventListener("drop", onDrop);
      removeEventListener("paste", onPaste);
    };
  }, [over]);

  if (!over.value) return null;
  return (
    <div class="drop-target" aria-hidden="true">
      <div class="drop-target-frame">
        <Icon name="picture" size={40} />
        <p>{t("photo.drop")}</p>
      </div>
    </div>
  );
}
