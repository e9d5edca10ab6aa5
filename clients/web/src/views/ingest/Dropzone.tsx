import { useSignal } from "@preact/signals";
import type { VNode } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { announce } from "../../announce";
import { useMessages } from "../../i18n";
import { Icon } from "../../parts/Icon";
import { meansText } from "../../photo/paste";
import { ACCEPTED } from "./checks";
import { messages } from "./messages";
import { type Reading, readChosen, readDrop } from "./reading";
import { add } from "./store";

/** Takes photographs and folders: dropped anywhere on the page, chosen, or pasted. */
export function Dropzone({ small }: { small: boolean }): VNode {
  const m = useMessages(messages);
  const over = useSignal(false);
  const ignored = useSignal<number | null>(null);
  const files = useRef<HTMLInputElement>(null);
  const folder = useRef<HTMLInputElement>(null);

  const take = ({ photographs, ignored: left }: Reading): void => {
    add(photographs);
    ignored.value = photographs.length === 0 ? 0 : left > 0 ? left : null;
    if (ignored.value !== null) announce(told(ignored.value));
  };
  const told = (left: number): string => (left === 0 ? m("nothing.found") : m("ignored", { count: left }));

  useEffect(() => {
    // No attribute of the standard, but every desktop browser has the property.
    if (folder.current) folder.current.webkitdirectory = true;
  }, []);
  useEffect(() => {
    const listen = new AbortController();
    const on = <K extends keyof WindowEventMap>(type: K, hear: (event: WindowEventMap[K]) => void) =>
      addEventListener(type, hear, { signal: listen.signal });
    on("dragover", (event) => {
      if (event.dataTransfer?.types.includes("Files")) over.value = true;
    });
    on("dragleave", (event) => {
      if (event.relatedTarget === null) over.value = false;
    });
    on("drop", (event) => {
      over.value = false;
      if (event.dataTransfer?.types.includes("Files")) void readDrop(event.dataTransfer).then(take);
    });
    on("paste", (event) => {
      if (!event.clipboardData || event.clipboardData.files.length === 0) return;
      if (meansText(event)) return;
      take(readChosen(event.clipboardData.files));
    });
    return () => listen.abort();
  }, []);

  const onChosen = (input: HTMLInputElement): void => {
    take(readChosen(input.files ?? []));
    // The same files may be chosen again after they were taken off the list.
    input.value = "";
  };
  return (
    <div class={`dropzone${over.value ? " over" : ""}${small ? " small" : ""}`}>
      <Icon name="picture" size={small ? 24 : 36} />
      <p class="dropzone-what">{m(over.value ? "drop.now" : "drop")}</p>
      <div class="dropzone-choose">
        <button type="button" class="button" onClick={() => files.current?.click()}>
          {m("choose.files")}
        </button>
        <button type="button" class="button dropzone-folder" onClick={() => folder.current?.click()}>
          {m("choose.folder")}
        </button>
      </div>
      <p class="dropzone-limits">{m("limits")}</p>
      {ignored.value !== null && <p class="dropzone-ignored">{told(ignored.value)}</p>}
      <input
        ref={files}
        type="file"
        accept={ACCEPTED}
        multiple
        hidden
        data-choose="files"
        onChange={(event) => onChosen(event.currentTarget)}
      />
      <input
        ref={folder}
        type="file"
        multiple
        hidden
        data-choose="folder"
        onChange={(event) => onChosen(event.currentTarget)}
      />
    </div>
  );
}
