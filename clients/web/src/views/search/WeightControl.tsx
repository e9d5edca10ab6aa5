import { useSignal } from "@preact/signals";
import type { ComponentChildren, VNode } from "preact";
import { useEffect, useId, useRef } from "preact/hooks";
import { lang, useMessages } from "../../i18n";
import { UNWANTED, WANTED, WEIGHTS } from "../../search/query";
import { messages } from "./messages";

/** As wide as the panel is, with a margin. */
const PANEL_PX = 280;

interface WeightControlProps {
  weight: number;
  /** The part that is weighed. */
  name: string;
  onChange: (weight: number) => void;
  children: ComponentChildren;
}

/** The face of a part; opened, how much it counts, and whether towards or away. */
export function WeightControl({ weight, name, onChange, children }: WeightControlProps): VNode {
  const t = useMessages(messages);
  const open = useSignal(false);
  /** Where the slider is; the search follows when it is let go. */
  const held = useSignal<number | null>(null);
  /** True where the panel would leave the window on the right. */
  const turned = useSignal(false);
  const whole = useRef<HTMLSpanElement>(null);
  const button = useRef<HTMLButtonElement>(null);
  const id = useId();
  const shown = held.value ?? weight;

  useEffect(() => {
    if (!open.value) return;
    const face = whole.current?.getBoundingClientRect();
    turned.value = (face?.left ?? 0) + PANEL_PX > innerWidth;
    whole.current?.querySelector("input")?.focus();
    const onPointer = (event: PointerEvent): void => {
      if (event.target instanceof Node && !whole.current?.contains(event.target)) open.value = false;
    };
    document.addEventListener("pointerdown", onPointer);
    return () => document.removeEventListener("pointerdown", onPointer);
  }, [open.value, open, turned]);

  const settle = (next: number): void => {
    held.value = null;
    if (next !== weight) onChange(next);
  };

  return (
    // biome-ignore lint/a11y/noStaticElementInteractions: only hears the Escape key of what is inside
    <span
      class="weight"
      ref={whole}
      onKeyDown={(event) => {
        if (event.key !== "Escape" || !open.value) return;
        event.stopPropagation();
        open.value = false;
        button.current?.focus();
      }}
    >
      <button
        type="button"
        class="weight-face"
        ref={button}
        aria-expanded={open.value}
        aria-controls={id}
        aria-label={t("weight.open", { name, weight: written(weight, lang.value) })}
        onClick={() => {
          open.value = !open.value;
        }}
      >
        {children}
        {weight !== WANTED && weight !== UNWANTED && (
          <span class="weight-value">×{written(Math.abs(weight), lang.value)}</span>
        )}
      </button>
      <span class={turned.value ? "weight-panel turned" : "weight-panel"} id={id} hidden={!open.value}>
        <label for={`${id}-range`}>{t("weight.label")}</label>
        <span class="weight-row">
          <input
            id={`${id}-range`}
            type="range"
            min={WEIGHTS.least}
            max={WEIGHTS.most}
            step={WEIGHTS.step}
            value={shown}
            aria-valuetext={t(meaning(shown), { weight: written(shown, lang.value) })}
            onInput={(event) => {
              held.value = event.currentTarget.valueAsNumber;
            }}
            onChange={(event) => settle(event.currentTarget.valueAsNumber)}
          />
          <output for={`${id}-range`}>{written(shown, lang.value)}</output>
        </span>
        <span class="weight-ends" aria-hidden="true">
          <span>{t("weight.away")}</span>
          <span>{t("weight.towards")}</span>
        </span>
        <button type="button" class="button small" onClick={() => settle(weight < 0 ? WANTED : UNWANTED)}>
          {t(weight < 0 ? "weight.makeWanted" : "weight.makeUnwanted")}
        </button>
      </span>
    </span>
  );
}

function meaning(weight: number): "weight.means.off" | "weight.means.away" | "weight.means.towards" {
  if (weight === 0) return "weight.means.off";
  return weight < 0 ? "weight.means.away" : "weight.means.towards";
}

function written(weight: number, language: string): string {
  return new Intl.NumberFormat(language, { maximumFractionDigits: 2 }).format(weight).replace("-", "−");
}
