import type { VNode } from "preact";
import "./skeleton.css";

/** Where product cards will be. */
export function CardSkeletons({ count }: { count: number }): VNode {
  return (
    <ul class="grid" aria-hidden="true">
      {Array.from({ length: count }, (_, index) => (
        <li key={index} class="skeleton-card">
          <Skeleton shape="picture" />
          <Skeleton shape="line" />
          <Skeleton shape="short" />
        </li>
      ))}
    </ul>
  );
}

/** A place that something will take. */
export function Skeleton({ shape }: { shape: "picture" | "line" | "short" }): VNode {
  return <span class={`skeleton ${shape}`} aria-hidden="true" />;
}
