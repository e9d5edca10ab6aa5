import { useSignal } from "@preact/signals";
import type { ComponentType, VNode } from "preact";
import { useEffect } from "preact/hooks";
import { t } from "../i18n";

type Loader = () => Promise<{ default: ComponentType }>;

const loaded = new Map<Loader, ComponentType>();

/** A view whose script is fetched when it is first shown. */
export function LazyView({ load }: { load: Loader }): VNode {
  const failed = useSignal(false);
  const view = useSignal<{ of: Loader; component: ComponentType } | null>(null);

  const fetchIt = (): void => {
    failed.value = false;
    load().then(
      (module) => {
        loaded.set(load, module.default);
        view.value = { of: load, component: module.default };
      },
      () => {
        failed.value = true;
      },
    );
  };
  useEffect(() => {
    if (!loaded.has(load)) fetchIt();
  }, [load]);

  const Shown = loaded.get(load) ?? (view.value?.of === load ? view.value.component : undefined);
  if (Shown) return <Shown />;
  if (failed.value) {
    return (
      <div class="page" role="alert">
        <p class="lead">{t("view.failed")}</p>
        <button type="button" class="button" onClick={fetchIt}>
          {t("action.retry")}
        </button>
      </div>
    );
  }
  return (
    <div class="page" aria-busy="true">
      <p class="visually-hidden">{t("view.loading")}</p>
    </div>
  );
}
