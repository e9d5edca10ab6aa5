import type { ComponentChildren, VNode } from "preact";
import { useRef } from "preact/hooks";
import { searchByPhoto } from "./add";

interface PhotoInputProps {
  class: string;
  label?: string;
  /** Opens the camera where there is one. */
  camera?: boolean;
  onChosen?: () => void;
  children: ComponentChildren;
}

/** A button that asks for a photograph and searches by it. */
export function PhotoInput({
  class: name,
  label,
  camera = false,
  onChosen,
  children,
}: PhotoInputProps): VNode {
  const input = useRef<HTMLInputElement>(null);
  return (
    <>
      <button
        type="button"
        class={name}
        aria-label={label}
        title={label}
        onClick={() => input.current?.click()}
      >
        {children}
      </button>
      <input
        ref={input}
        type="file"
        accept="image/*"
        capture={camera ? "environment" : undefined}
        hidden
        aria-label={label}
        data-photo-input={camera ? "camera" : "file"}
        onChange={(event) => {
          const file = event.currentTarget.files?.[0];
          // The same file may be chosen twice.
          event.currentTarget.value = "";
          if (!file) return;
          onChosen?.();
          void searchByPhoto(file);
        }}
      />
    </>
  );
}
