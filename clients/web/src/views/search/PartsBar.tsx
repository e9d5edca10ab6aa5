import type { VNode } from "preact";
import { focusView } from "../../focus";
import { useMessages } from "../../i18n";
import { Chip } from "../../parts/Chip";
import { Icon } from "../../parts/Icon";
import { Picture } from "../../parts/Picture";
import { urlOfPhoto } from "../../photo/store";
import { likedProduct } from "../../search/likes";
import {
  EMPTY,
  FEATURES,
  hasFilters,
  type LikePart,
  type Part,
  type PhotoPart,
  partId,
  toggleFilter,
  WANTED,
  withoutPart,
  withPart,
} from "../../search/query";
import { query, searchFor } from "../../search/state";
import { messages } from "./messages";
import { Swatch } from "./Swatch";
import { partName } from "./title";
import { WeightControl } from "./WeightControl";
import "./parts-bar.css";

/** Everything the search is made of, each part to be weighed and taken away. */
export function PartsBar(): VNode | null {
  const t = useMessages(messages);
  const now = query.value;
  // Words by themselves stand in the box; in a mix they are a part like the others.
  const text = now.text.trim();
  const words: Part | undefined =
    text !== "" && now.parts.length > 0 ? { kind: "text", text, weight: WANTED } : undefined;
  const parts = words ? [words, ...now.parts] : now.parts;
  if (parts.length === 0 && !hasFilters(now)) return null;
  // One list with one kind of key, so that the words' chip stays itself when they leave the box.
  const twice = words && now.parts.some((part) => partId(part) === partId(words));
  return (
    <div class="parts-bar">
      <ul class="parts" aria-label={t("parts.label")}>
        {parts.map((part) => (
          <li key={part === words && twice ? "box" : partId(part)}>
            <PartChip part={part} fromBox={part === words} />
          </li>
        ))}
        {FEATURES.flatMap((feature) =>
          (now.filters[feature] ?? []).map((value) => (
            <li key={`${feature} ${value}`}>
              <Chip name={value} onRemove={() => searchFor(toggleFilter(now, feature, value))}>
                {feature === "colour" ? <Swatch name={value} /> : null}
                <span class="part-name">{value}</span>
              </Chip>
            </li>
          )),
        )}
      </ul>
      <button
        type="button"
        class="button quiet small"
        onClick={() => {
          focusView();
          searchFor(EMPTY);
        }}
      >
        {t("parts.clear")}
      </button>
    </div>
  );
}

function PartChip({ part, fromBox = false }: { part: Part; fromBox?: boolean }): VNode {
  const t = useMessages(messages);
  const now = query.value;
  const name = partName(part, t);
  const weigh = (weight: number): void => {
    const weighed = { ...part, weight };
    // Words of the box become a part of their own, in their place: whoever weighs them keeps the focus.
    const others = withoutPart(now, part).parts;
    searchFor(fromBox ? { ...now, text: "", parts: [weighed, ...others] } : withPart(now, weighed));
  };
  return (
    <Chip
      name={name}
      negative={part.weight < 0}
      onRemove={() => searchFor(fromBox ? { ...now, text: "" } : withoutPart(now, part))}
    >
      {part.kind === "photo" && <PhotoThumbnail part={part} />}
      {part.kind === "like" && <LikeThumbnail part={part} />}
      <WeightControl weight={part.weight} name={name} onChange={weigh}>
        {part.weight < 0 && <span class="part-not">{t("part.notMark")}</span>}
        <span class="part-name">{name}</span>
      </WeightControl>
    </Chip>
  );
}

function PhotoThumbnail({ part }: { part: PhotoPart }): VNode {
  const url = urlOfPhoto(part.sha256);
  return url ? <img class="part-picture" src={url} alt="" /> : <Icon name="picture" size={18} />;
}

function LikeThumbnail({ part }: { part: LikePart }): VNode {
  const product = likedProduct(part.productId).value;
  return (
    <span class="part-picture">
      {product ? <Picture image={product.images[0]} side={160} alt="" eager /> : null}
    </span>
  );
}
