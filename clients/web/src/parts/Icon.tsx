import type { VNode } from "preact";

// Strokes on a 24 px field, drawn for this page.
const PATHS = {
  search: "M11 4a7 7 0 1 1 0 14 7 7 0 0 1 0-14Zm5 12 4.5 4.5",
  camera: "M4 8h3.2l1.6-2.5h6.4L16.8 8H20v11H4zM12 10a3.5 3.5 0 1 1 0 7 3.5 3.5 0 0 1 0-7Z",
  map: "M12 21s-6.5-5.6-6.5-11a6.5 6.5 0 0 1 13 0C18.5 15.4 12 21 12 21Zm0-13a2.3 2.3 0 1 1 0 4.6 2.3 2.3 0 0 1 0-4.600Z",
  add: "M12 5v14M5 12h14",
  status: "M3 12h4l2.5-6 5 12 2.5-6h4",
  close: "M6 6l12 12M18 6 6 18",
  filter: "M4 7h16M7 12h10M10 17h4",
  settings: "M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18Zm0 0v18",
  alike: "M9 5h10v10M15 9H5v10h10z",
  left: "M14.5 6 8.5 12l6 6",
  right: "M9.5 6l6 6-6 6",
  alert: "M12 4 3 19.500h18zM12 10v4.500M12 17v.2",
  picture: "M4 5h16v14H4zM4 16l5-5 4 4 2.5-2.500L20 17",
  check: "M5 12.5 10 17.5 19 7.5",
  minus: "M5 12h14",
  reload: "M19 12a7 7 0 1 1-2.1-5M19 4v4h-4",
  hanger: "M12 9V8a2 2 0 1 1 2-2M12 9l-8.5 6.800c-.9.7-.4 2.2.8 2.200h15.400c1.2 0 1.7-1.5.8-2.200z",
  link: "M10 14a4 4 0 0 0 5.7 0l3-3a4 4 0 0 0-5.7-5.700l-1 1M14 10a4 4 0 0 0-5.7 0l-3 3a4 4 0 0 0 5.7 5.700l1-1",
} as const;

export type IconName = keyof typeof PATHS;

/** A line drawing in the colour of the text; says nothing to screen readers. */
export function Icon({ name, size = 20 }: { name: IconName; size?: number }): VNode {
  return (
    <svg
      class="icon"
      width={size}
      height={size}
      viewBox="0 0 24 24"
      fill="none"
      stroke="currentColor"
      stroke-width="1.6"
      stroke-linecap="round"
      stroke-linejoin="round"
      aria-hidden="true"
      focusable="false"
    >
      <path d={PATHS[name]} />
    </svg>
  );
}
