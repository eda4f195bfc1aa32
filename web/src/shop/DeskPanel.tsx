import { useEffect, useRef } from "preact/hooks";
import { NAMES, WEIGHED } from "../parts/Shares";
import { recommend, search } from "./lists";
import { dataset, desk, history, picture, searching, user, type Desk } from "./state";

interface Range {
  name: "diversity" | (typeof WEIGHED)[number];
  label: string;
  value: number;
  dot?: string;
  ends?: [string, string];
}

function Slider({ name, label, value, dot, ends }: Range) {
  // Whoever weighs wants their own mix.
  const move = (to: number) => (desk.value = { ...desk.peek(), [name]: to, ...(name !== "diversity" && { by: "mix" as const }) });
  return (
    <label class="slider">
      <span class="slider-name">
        {dot && <span class={`dot ${dot}`} aria-hidden="true" />}
        {label}
        <span class="amount" aria-hidden="true">{Math.round(value * 100)}</span>
      </span>
      <input
        type="range" min="0" max="1" step="0.05" value={value}
        style={{ "--at": value }}
        aria-valuetext={`${Math.round(value * 100)} of 100`}
        onInput={(event) => move(Number(event.currentTarget.value))}
      />
      {ends && <span class="slider-ends" aria-hidden="true"><span>{ends[0]}</span><span>{ends[1]}</span></span>}
    </label>
  );
}

const Choice = ({ by, now, children }: { by: Desk["by"]; now: Desk["by"]; children: string }) => (
  <label class="choice">
    <input type="radio" name="by" checked={by === now} onChange={() => (desk.value = { ...desk.peek(), by })} />
    <span>{children}</span>
  </label>
);

function Category() {
  const category = dataset.value?.category;
  if (!category) return null;
  return (
    <label class="field">
      <span>{category.replaceAll("_", " ")}</span>
      <select value={desk.value.category} onChange={(event) => (desk.value = { ...desk.peek(), category: event.currentTarget.value })}>
        <option value="">all</option>
        {dataset.value!.categories.map((one) => <option key={one.name} value={one.name}>{one.name} ({one.items.toLocaleString("en")})</option>)}
      </select>
    </label>
  );
}

/** How the list is made: by the model, or by weights of one's own; how varied, and of which category. */
export function DeskPanel() {
  const now = desk.value;
  const first = useRef(true);
  useEffect(() => {
    if (first.current) return void (first.current = false);
    const timer = setTimeout(() => void Promise.all([recommend(), search()]), 140);
    return () => clearTimeout(timer);
  }, [now]);
  const mix = now.by === "mix";
  const nothing = mix && now.text + now.image + now.behaviour === 0;
  const stranger = history.value?.length === 0;
  if (searching.value) return <div class="desk"><Category /><p class="hint">{picture.value ? "Pictures are compared by what they show" : "Words and meaning are ranked together"}; what suits {user.value} comes sooner.</p></div>;
  return (
    <div class="desk">
      <fieldset class="segmented">
        <legend>Ordered by</legend>
        <Choice by="model" now={now.by}>The model</Choice>
        <Choice by="mix" now={now.by}>My own mix</Choice>
      </fieldset>
      <Slider name="diversity" label="Variety" value={now.diversity} ends={["best first", "as unlike as can be"]} />
      <fieldset class={`mix ${mix ? "on" : ""}`}>
        <legend>Likeness to what was liked, by</legend>
        {WEIGHED.map((name) => (
          <Slider key={name} name={name} label={NAMES[name]} dot={name} value={now[name]} />
        ))}
        <p class="hint" aria-live="polite">
          {nothing ? "Nothing counts, so the model decides." : mix && stranger ? "With nothing liked yet, the model decides." : mix ? "The cosine of all three, weighed." : "The model weighs them by what it has learned. Move one to weigh them yourself."}
        </p>
      </fieldset>
      <Category />
      <div class="legend">
        <h3>What speaks for an item</h3>
        <ul>
          {(["text", "image", "behaviour", "features"] as const).map((name) => <li key={name}><span class={`dot ${name}`} aria-hidden="true" />{NAMES[name]}</li>)}
        </ul>
      </div>
      <div class="legend keys">
        <h3>Keys</h3>
        <ul>
          <li><kbd>←</kbd><kbd>↑</kbd><kbd>↓</kbd><kbd>→</kbd>move</li>
          <li><kbd>Enter</kbd>opens</li>
          <li><kbd>L</kbd>likes</li>
          <li><kbd>X</kbd>dismisses</li>
          <li><kbd>/</kbd>searches</li>
        </ul>
      </div>
    </div>
  );
}
