import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { theme } from "../parts/theme";
import { Trouble } from "../parts/Trouble";
import { useTold, type Chart } from "./api";
import { count, percent, Thumbnail, titleOf, Waiting } from "./figures";

const CATEGORIES = 9;
const NEAR = 14;
const CARD_HEIGHT = 285;
const OTHER = "all others";
type Point = Chart["items"][number];

/** Where arrows point, on a plane whose second axis goes down. */
const ARROWS: Record<string, [number, number]> = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

/** As many colours as there are categories, apart as far as a circle allows, in turn light and dark. */
const colour = (place: number): string =>
  place < 0 ? "light-dark(#8b9aa1, #60737d)" : `light-dark(oklch(${place % 2 ? 0.47 : 0.62} 0.15 ${(place * 360) / CATEGORIES + 25}), oklch(${place % 2 ? 0.68 : 0.82} 0.13 ${(place * 360) / CATEGORIES + 25}))`;

/** The item vectors in two dimensions: near each other is alike. */
export function MapPage() {
  const { data, failure, again } = useTold<Chart>("/v1/admin/map?limit=3000");
  if (failure) return <Trouble failure={failure} again={again} />;
  if (!data) return <Waiting />;
  return data.items.length ? <Scatter chart={data} /> : <p class="none">There is no item.</p>;
}

function Scatter({ chart }: { chart: Chart }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const legend = useRef<HTMLUListElement>(null);
  const [size, resize] = useState({ width: 0, height: 0 });
  /** The row of the item that is pointed at. */
  const [pointed, point] = useState<number | null>(null);
  const [only, choose] = useState<string | null>(null);
  const [part, search] = useState("");

  const sizes = useMemo(() => {
    const counts = new Map<string, number>();
    for (const one of chart.items) if (one.category) counts.set(one.category, (counts.get(one.category) ?? 0) + 1);
    const largest = [...counts].sort((a, b) => b[1] - a[1]).slice(0, CATEGORIES);
    const others = chart.items.length - largest.reduce((sum, [, size]) => sum + size, 0);
    return new Map(others ? [...largest, [OTHER, others] as const] : largest);
  }, [chart]);
  const categories = [...sizes.keys()].filter((name) => name !== OTHER);
  const group = (one: Point) => (one.category && categories.includes(one.category) ? one.category : OTHER);

  const places = useMemo(() => {
    const [xs, ys] = [chart.items.map((one) => one.x), chart.items.map((one) => one.y)];
    const [x0, x1, y0, y1] = [Math.min(...xs), Math.max(...xs), Math.min(...ys), Math.max(...ys)];
    return chart.items.map((one) => ({
      x: 20 + ((one.x - x0) / (x1 - x0 || 1)) * (size.width - 40),
      y: 20 + (1 - (one.y - y0) / (y1 - y0 || 1)) * (size.height - 40),
    }));
  }, [chart, size]);

  useEffect(() => {
    const box = canvas.current!.parentElement!;
    const watch = new ResizeObserver(() => resize({ width: box.clientWidth, height: Math.min(Math.max(box.clientWidth * 0.62, 320), 680) }));
    watch.observe(box);
    return () => watch.disconnect();
  }, []);

  useEffect(() => {
    const { width, height } = size;
    const element = canvas.current!;
    const pen = element.getContext("2d");
    if (!pen || !width) return;
    const scale = devicePixelRatio;
    element.width = width * scale;
    element.height = height * scale;
    pen.scale(scale, scale);
    // What the legend is painted in is what the theme makes of each colour.
    const dots = [...legend.current!.querySelectorAll<HTMLElement>(".dot")].map((dot) => getComputedStyle(dot).backgroundColor);
    const ink = getComputedStyle(element).color;
    const wanted = part.trim().toLowerCase();
    const order = chart.items.map((_, row) => row).sort((a, b) => Number(group(chart.items[a]!) === only) - Number(group(chart.items[b]!) === only));
    for (const row of order) {
      const item = chart.items[row]!;
      const at = places[row]!;
      const named = group(item);
      const meant = wanted !== "" && item.title.toLowerCase().includes(wanted);
      pen.globalAlpha = meant ? 1 : wanted || (only !== null && named !== only) ? 0.12 : 0.8;
      pen.fillStyle = dots[categories.indexOf(named) < 0 ? categories.length : categories.indexOf(named)] ?? ink;
      pen.beginPath();
      pen.arc(at.x, at.y, meant ? 7 : 4, 0, 7);
      pen.fill();
      if (meant) {
        pen.strokeStyle = ink;
        pen.lineWidth = 2;
        pen.stroke();
      }
    }
    pen.globalAlpha = 1;
  }, [places, only, part, theme.value]);

  /** The row that lies best by a measure of its distance, of those that are shown; null where none does. */
  const least = (measure: (dx: number, dy: number) => number, x: number, y: number): number | null => {
    let best: number | null = null;
    let smallest = Infinity;
    places.forEach((at, row) => {
      if (only !== null && group(chart.items[row]!) !== only) return;
      const distance = measure(at.x - x, at.y - y);
      if (distance < smallest) [best, smallest] = [row, distance];
    });
    return best;
  };
  const find = (event: MouseEvent) => {
    const box = canvas.current!.getBoundingClientRect();
    point(least((dx, dy) => (dx * dx + dy * dy < NEAR ** 2 ? dx * dx + dy * dy : Infinity), event.clientX - box.left, event.clientY - box.top));
  };
  const middle = () => least((dx, dy) => dx * dx + dy * dy, size.width / 2, size.height / 2);
  const onKeyDown = (event: KeyboardEvent) => {
    const arrow = ARROWS[event.key];
    if (event.key === "Escape") return point(null);
    if (event.key !== "Home" && !arrow) return;
    event.preventDefault();
    if (!arrow || pointed === null) return point(middle());
    // The next one lies ahead, and rather straight ahead than near.
    const [ax, ay] = arrow;
    const ahead = (dx: number, dy: number) => {
      const [along, aside] = [dx * ax + dy * ay, Math.abs(dx * ay) + Math.abs(dy * ax)];
      return along > 0 && aside <= along ? along + 2 * aside : Infinity;
    };
    point(least(ahead, places[pointed]!.x, places[pointed]!.y) ?? pointed);
  };
  const near = pointed === null ? null : { item: chart.items[pointed]!, ...places[pointed]! };
  return (
    <div class="map">
      <div class="bar-above">
        <p>Each dot is an item; near each other is alike. {count(chart.items.length)} of {count(chart.of)} items; the plane tells {percent(chart.explained.reduce((a, b) => a + b, 0), 0)} of how their vectors differ.</p>
        <label class="field inline"><span class="visually-hidden">Find by title</span><input type="search" placeholder="Find by title" value={part} onInput={(event) => search(event.currentTarget.value)} /></label>
      </div>
      <ul class="map-legend" ref={legend} aria-label="Categories">
        {[...sizes].map(([name, items], place) => (
          <li key={name}>
            <button type="button" aria-pressed={only === name} onClick={() => (choose(only === name ? null : name), point(null))}>
              <span class="dot" style={{ background: colour(name === OTHER ? -1 : place) }} aria-hidden="true" />{name}<small>{count(items)}</small>
            </button>
          </li>
        ))}
      </ul>
      <div class="map-box">
        <canvas
          ref={canvas} role="application" tabIndex={0} aria-roledescription="map"
          aria-label={`${count(chart.items.length)} item vectors, coloured by category. Arrow keys go from item to item.`}
          style={{ width: `${size.width}px`, height: `${size.height}px` }}
          onMouseMove={find} onClick={find} onMouseLeave={() => point(null)} onKeyDown={onKeyDown}
          onFocus={(event) => pointed === null && event.currentTarget.matches(":focus-visible") && point(middle())} onBlur={() => point(null)}
        />
        {near && <span class="map-ring" style={{ left: `${near.x}px`, top: `${near.y}px` }} aria-hidden="true" />}
        <div aria-live="polite">
          {near && (
            <div
              class={`map-card ${near.x > size.width / 2 ? "left" : ""}`}
              style={{ left: `${near.x}px`, top: `${Math.max(Math.min(near.y, size.height - CARD_HEIGHT), 8)}px` }}
            >
              <Thumbnail key={near.item.item_id} item={near.item} />
              <strong>{titleOf(near.item)}</strong>
              <span>{near.item.category ?? "no category"}</span>
            </div>
          )}
        </div>
      </div>
    </div>
  );
}
