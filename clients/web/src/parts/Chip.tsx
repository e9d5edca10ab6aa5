import type { ComponentChildren, VNode } from "preact";
import { t } from "../i18n";
import { Icon } from "./Icon";
import "./chip.css";

interface ChipProps {
  /** What it is called by screen readers when it is removed. */
  name: string;
  children: ComponentChildren;
  /** Leads away from it. */
  negative?: boolean;
  onRemove?: () => void;
}

/** A part of something, that can be taken away. */
export function Chip({ name, children, negative = false, onRemove }: ChipProps): VNode {
  return (
    <span class={negative ? "chip negative" : "chip"}>
      {children}
      {onRemove && (
        <button
          type="button"
          class="chip-remove"
          aria-label={t("action.remove", { name })}
          title={t("action.remove", { name })}
          onClick={onRemove}
        >
          <Icon name="close" size={14} />
        </button>
      )}
    </span>
  );
}
