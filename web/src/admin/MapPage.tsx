import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { pictureOf } from "../parts/Picture";
import { theme } from "../parts/theme";
import { Trouble } from "../parts/Trouble";
import { useTold, type Chart } from "./api";
import { count, percent, Waiting } from "./figures";

const CATEGORIES = 9;
const NEAR = 14;
const OTHER = "other";
type Point = Chart["items"][number];

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
  const [near, point] = useState<{ item: Point; x: number; y: number } | null>(null);
  const [only, choose] = useState<string | null>(null);
  const [part, search] = useState("");

  const categories = useMemo(() => {
    const sizes = new Map<string, number>();
    for (const one of chart.items) if (one.category) sizes.set(one.category, (sizes.get(one.category) ?? 0) + 1);
    return [...sizes].sort((a, b) => b[1] - a[1]).slice(0, CATEGORIES).map(([name]) => name);
  }, [chart]);
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

  const find = (event: MouseEvent) => {
    const box = canvas.current!.getBoundingClientRect();
    const [x, y] = [event.clientX - box.left, event.clientY - box.top];
    let best = -1;
    let least = NEAR ** 2;
    places.forEach((at, row) => {
      if (only !== null && group(chart.items[row]!) !== only) return;
      const distance = (at.x - x) ** 2 + (at.y - y) ** 2;
      if (distance < least) [best, least] = [row, distance];
    });
    point(best < 0 ? null : { item: chart.items[best]!, ...places[best]! });
  };
  return (
    <div class="map">
      <div class="bar-above">
        <p>{count(chart.items.length)} of {count(chart.of)} items; the two directions tell {percent(chart.explained.reduce((a, b) => a + b, 0), 0)} of how their vectors differ.</p>
        <label class="field inline"><span class="visually-hidden">Find by title</span><input type="search" placeholder="Find by title" value={part} onInput={(event) => search(event.currentTarget.value)} /></label>
      </div>
      <ul class="map-legend" ref={legend} aria-label="Categories">
        {[...categories, OTHER].map((name, place) => (
          <li key={name}>
            <button type="button" aria-pressed={only === name} onClick={() => choose(only === name ? null : name)}>
              <span class="dot" style={{ background: colour(name === OTHER ? -1 : place) }} aria-hidden="true" />{name}
            </button>
          </li>
        ))}
      </ul>
      <div class="map-box" style={{ minHeight: "320px" }}>
        <canvas
          ref={canvas} role="img" aria-label={`Map of ${chart.items.length} item vectors, coloured by category`}
          style={{ width: `${size.width}px`, height: `${size.height}px` }} onMouseMove={find} onClick={find} onMouseLeave={() => point(null)}
        />
        {near && (
          <div class={`map-card ${near.x > size.width / 2 ? "left" : ""}`} style={{ left: `${near.x}px`, top: `${Math.min(near.y, size.height - 190)}px` }}>
            <img key={near.item.item_id} src={pictureOf(near.item.item_id)} alt="" onError={(event) => (event.currentTarget.hidden = true)} />
            <strong>{near.item.title || near.item.item_id}</strong>
            <span>{near.item.category ?? "no category"}</span>
          </div>
        )}
      </div>
    </div>
  );
}
