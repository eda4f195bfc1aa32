const PATHS = {
  heart: "M12 20s-7.5-4.6-7.5-10.2A4.3 4.3 0 0 1 12 7.2a4.3 4.3 0 0 1 7.5 2.6C19.5 15.4 12 20 12 20Z",
  close: "M6 6l12 12M18 6 6 18",
  search: "M10.5 17a6.5 6.5 0 1 0 0-13 6.5 6.5 0 0 0 0 13ZM15.5 15.5 20 20",
  camera: "M4 8.5h3l1.5-2.5h7L17 8.5h3V19H4ZM12 16.5a3.2 3.2 0 1 0 0-6.4 3.2 3.2 0 0 0 0 6.4Z",
  plus: "M12 5v14M5 12h14",
  sun: "M12 16a4 4 0 1 0 0-8 4 4 0 0 0 0 8ZM12 2.5v2M12 19.5v2M2.5 12h2M19.5 12h2M5.3 5.3l1.4 1.4M17.3 17.3l1.4 1.4M18.7 5.3l-1.4 1.4M6.7 17.3l-1.4 1.4",
  moon: "M19.5 14.5A8 8 0 0 1 9.5 4.5a8 8 0 1 0 10 10Z",
  chevron: "M6 9.5l6 6 6-6",
  left: "M14.5 6l-6 6 6 6",
  right: "M9.5 6l6 6-6 6",
  alert: "M12 4 2.8 19.5h18.4ZM12 10v4.5M12 17.2v.100",
  check: "M5 12.5l4.5 4.5L19 7.5",
  sliders: "M4 7h9M17 7h3M4 17h3M11 17h9M15 4.8v4.4M9 14.8v4.4",
  bridge: "M6.5 20V6.5L8 4.5l1.5 2V20M14.5 20V6.5L16 4.5l1.5 2V20M2.5 16.5h19M2.5 12.5q3 0 4-3M17.5 9.5q1 3 4 3M9.5 9.5h5",
} as const;

export type IconName = keyof typeof PATHS;

/** A line drawing of 24 units; never the only name of a button. */
export const Icon = ({ name, filled = false }: { name: IconName; filled?: boolean }) => (
  <svg class="icon" viewBox="0 0 24 24" aria-hidden="true" focusable="false">
    <path d={PATHS[name]} fill={filled ? "currentColor" : "none"} />
  </svg>
);
