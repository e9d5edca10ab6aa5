import type { VNode } from "preact";
import { attributeTexts } from "../../api/match";
import type { Product } from "../../gen/lookalike/type/v1/product_pb";
import { lang, type MessageKey, t, useMessages } from "../../i18n";
import { Link } from "../../router";
import { searchFor } from "./choices";
import { messages } from "./messages";

/** Features first, in the order that people describe clothes in. */
const FEATURES = ["category", "type", "colour", "pattern", "person", "season"] as const;

/** What is known of a product; each value leads to a search by it. */
export function Attributes({ product }: { product: Product }): VNode {
  const m = useMessages(messages);
  const fields = Object.keys(product.attributes ?? {});
  const others = fields.filter((field) => !FEATURES.some((feature) => feature === field)).sort();
  const ordered = [...FEATURES.filter((feature) => fields.includes(feature)), ...others];
  const since = product.createTime ? new Date(Number(product.createTime.seconds) * 1000) : undefined;
  return (
    <dl class="attributes" aria-label={m("attributes")}>
      {ordered.map((field) => {
        const name = nameOf(field);
        return (
          <div key={field}>
            <dt>{name}</dt>
            <dd>
              {attributeTexts(product, field).map((text) => (
                <Link
                  key={text}
                  class="attribute"
                  href={searchFor(field, text)}
                  aria-label={m("attribute.search", { field: name, value: text })}
                >
                  {text}
                </Link>
              ))}
            </dd>
          </div>
        );
      })}
      <div>
        <dt>{m("identifier")}</dt>
        <dd class="attribute-plain">{product.productId}</dd>
      </div>
      {since && (
        <div>
          <dt>{m("added")}</dt>
          <dd class="attribute-plain">
            {new Intl.DateTimeFormat(lang.value, { dateStyle: "medium" }).format(since)}
          </dd>
        </div>
      )}
    </dl>
  );
}

function nameOf(field: string): string {
  const feature = FEATURES.find((known) => known === field);
  if (feature) return t(`field.${feature}` satisfies MessageKey);
  const words = field.replaceAll("_", " ");
  return words.charAt(0).toLocaleUpperCase(lang.value) + words.slice(1);
}
