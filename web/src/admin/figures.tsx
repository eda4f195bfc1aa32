// How numbers are written and drawn in the control room.
import type { ComponentChildren } from "preact";
import { hue, pictureOf } from "../parts/Picture";
import { sourceName } from "../shop/sources";
import type { Named } from "./api";

export const count = (value: number): string => value.toLocaleString("en");
export const percent = (part: number | null, digits = 1): string => (part === null ? "–" : `${(part * 100).toFixed(digits)} %`);
export const ms = (value: number | null): string => (value === null ? "–" : value < 10 ? value.toFixed(2) : value.toFixed(0));

export function age(seconds: number): string {
  for (const [unit, size] of [["d", 86_400], ["h", 3600], ["min", 60]] as const)
    if (seconds >= size) return `${(seconds / size).toFixed(seconds / size < 10 ? 1 : 0)} ${unit}`;
  return `${seconds.toFixed(seconds < 10 ? 2 : 0)} s`;
}

export const moment = (iso: string | null): string =>
  iso ? new Date(iso).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" }) : "–";

const ABBREVIATIONS = /^(ndcg|mrr|rmse|mae|auc|map)(?=@|$)/;

/** A measure as people write it: NDCG@10, hit rate@5. */
export const measure = (name: string): string => name.replace(ABBREVIATIONS, (word) => word.toUpperCase()).replaceAll("_", " ");

/** The whole before its stages, and those before the sources. */
const FIRST = ["pipeline", "ranker", "retrieval"];

/** What was measured, in the order of how much it says. */
export function inOrder(groups: Iterable<string>): string[] {
  const place = (group: string) => {
    const at = FIRST.indexOf(group.split(" · ").at(-1)!);
    return at < 0 ? FIRST.length : at;
  };
  return [...new Set(groups)].sort((a, b) => place(a) - place(b));
}

/** What a group of figures is called. */
export const groupName = (group: string): string => group.split(" · ").map(sourceName).join(" · ") || "all";

export const Panel = ({ title, says, children, wide = false }: { title: string; says?: string; children: ComponentChildren; wide?: boolean }) => (
  <section class={`panel ${wide ? "wide" : ""}`}>
    <header><h2>{title}</h2>{says && <p>{says}</p>}</header>
    {children}
  </section>
);

export const titleOf = (item: Named): string => item.title || item.item_id;

/** The picture of an item, or a colour of its own in the place of one. */
export const Thumbnail = ({ item }: { item: Named }) => (
  <span class="thumbnail" style={{ "--hue": hue(item.item_id) }}>
    {item.image && <img src={pictureOf(item.item_id)} alt="" loading="lazy" onError={(event) => (event.currentTarget.hidden = true)} />}
  </span>
);

/** What is scrolled sideways where it does not fit, by keyboard too. */
export const Scroll = ({ label, name = "", children }: { label: string; name?: string; children: ComponentChildren }) => (
  <div class={`scroll ${name}`} role="region" aria-label={label} tabIndex={0}>{children}</div>
);

/** An item by picture and title. */
export const Name = ({ item }: { item: Named }) => (
  <span class="item-name"><Thumbnail item={item} /><span title={titleOf(item)}>{titleOf(item)}</span></span>
);

export const Tile = ({ name, value, note, bad = false }: { name: string; value: string; note?: string; bad?: boolean }) => (
  <div class={`tile ${bad ? "bad" : ""}`}>
    <dt>{name}</dt>
    <dd>{value}{note && <small>{note}</small>}</dd>
  </div>
);

/** A share of a whole as a bar with its number. */
export const Share = ({ name, part, whole }: { name: string; part: number; whole: number }) => (
  <li class="share-row">
    <span>{name}</span>
    <span class="bar" aria-hidden="true"><span style={{ width: `${whole ? Math.min((part / whole) * 100, 100) : 0}%` }} /></span>
    <b>{whole ? percent(part / whole) : "–"}</b>
    <small>{count(part)} of {count(whole)}</small>
  </li>
);

export interface Line {
  name: string;
  points: [number, number][];
}

const NARROW = 420;
const WIDE = 760;
const HEIGHT = 170;
const LEFT = 46;
const FOOT = 24;
const COLOURS = ["text", "image", "behaviour", "features"] as const;

interface CurvesProps {
  label: string;
  lines: Line[];
  /** What the ends of the axis are called, instead of by their numbers. */
  ends?: [string, string];
  unit?: string;
  /** Whether the axis begins at zero. */
  zero?: boolean;
  wide?: boolean;
}

/** Curves over a common axis, with their ends labelled. */
export function Curves({ label, lines, ends, unit = "", zero = false, wide = false }: CurvesProps) {
  const width = wide ? WIDE : NARROW;
  const all = lines.flatMap((one) => one.points);
  if (!all.length) return <p class="none">There is no curve.</p>;
  const [xs, ys] = [all.map((one) => one[0]), all.map((one) => one[1])];
  const [x0, x1, y0, y1] = [Math.min(...xs), Math.max(...xs), zero ? 0 : Math.min(...ys), Math.max(...ys)];
  const x = (value: number) => LEFT + ((value - x0) / (x1 - x0 || 1)) * (width - LEFT - 10);
  const y = (value: number) => HEIGHT - FOOT - ((value - y0) / (y1 - y0 || 1)) * (HEIGHT - FOOT - 14);
  const short = (value: number) => (Math.abs(value) >= 100 || Number.isInteger(value) ? value.toFixed(0) : value.toPrecision(3));
  return (
    <figure class="curves">
      <svg viewBox={`0 0 ${width} ${HEIGHT}`} role="img" aria-label={`${label}: ${lines.map((one) => `${one.name} from ${short(one.points[0]![1])} to ${short(one.points.at(-1)![1])}`).join("; ")}`}>
        {[...new Set([y0, (y0 + y1) / 2, y1])].map((value) => (
          <g key={value}>
            <path class="grid" d={`M${LEFT} ${y(value)}H${width - 10}`} />
            <text x={LEFT - 8} y={y(value) + 4} text-anchor="end">{short(value)}</text>
          </g>
        ))}
        <text x={LEFT} y={HEIGHT - 6}>{ends?.[0] ?? short(x0)}</text>
        <text x={width - 10} y={HEIGHT - 6} text-anchor="end">{ends?.[1] ?? short(x1) + unit}</text>
        {lines.map((one, place) => (
          <path key={one.name} class={`line ${COLOURS[place % COLOURS.length]!}`} d={`M${one.points.map(([a, b]) => `${x(a).toFixed(1)} ${y(b).toFixed(1)}`).join("L")}`} />
        ))}
      </svg>
      {lines.length > 1 && (
        <figcaption>
          {lines.map((one, place) => <span key={one.name}><span class={`dot ${COLOURS[place % COLOURS.length]!}`} aria-hidden="true" />{one.name}</span>)}
        </figcaption>
      )}
    </figure>
  );
}

export const Waiting = () => <p class="none" aria-busy="true">Asking…</p>;
