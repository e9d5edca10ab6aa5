import type { ComponentChildren, VNode } from "preact";
import { focusView } from "../focus";
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

/** Gives the focus of a button that is about to go to the same button of its neighbour in the list. */
function leaveFocus(button: HTMLElement): void {
  const place = button.closest("li");
  const neighbour = place?.nextElementSibling ?? place?.previousElementSibling;
  const next = neighbour?.querySelector<HTMLElement>(".chip-remove");
  if (next) next.focus();
  else focusView();
  // The neighbour may go along: words are a chip only beside other parts.
  requestAnimationFrame(() => {
    if (document.activeElement === document.body) focusView();
  });
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
          onClick={(event) => {
            leaveFocus(event.currentTarget);
            onRemove();
          }}
        >
          <Icon name="close" size={14} />
        </button>
      )}
    </span>
  );
}
