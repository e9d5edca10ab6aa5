import type { VNode } from "preact";
import { useMessages } from "../../i18n";
import { Icon } from "../../parts/Icon";
import { messages } from "./messages";

/** The two buttons that go to the next (1) or the previous (−1) photograph. */
export function Steps({ onStep }: { onStep: (step: number) => void }): VNode {
  const m = useMessages(messages);
  return (
    <>
      <button
        type="button"
        class="icon-button gallery-step back"
        aria-label={m("previous")}
        onClick={() => onStep(-1)}
      >
        <Icon name="left" />
      </button>
      <button
        type="button"
        class="icon-button gallery-step on"
        aria-label={m("next")}
        onClick={() => onStep(1)}
      >
        <Icon name="right" />
      </button>
    </>
  );
}
