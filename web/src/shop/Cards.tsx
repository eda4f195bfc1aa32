import { useRef } from "preact/hooks";
import type { Entry } from "../api";
import { Card, SkeletonCard } from "./Card";
import { useGlide } from "./motion";
import { useKeptFocus, useRoving } from "./roving";

interface Props {
  label: string;
  entries: Entry[] | null;
  /** In rows, or in one row that scrolls. */
  as?: "grid" | "row";
  reasons?: boolean;
  scores?: boolean;
  busy?: boolean;
  places?: number;
}

/** A list of cards that is one stop of the Tab key; skeletons of the same size until it is there. */
export function Cards({ label, entries, as = "grid", reasons = false, scores = true, busy = false, places = 24 }: Props) {
  const list = useRef<HTMLUListElement>(null);
  const { active, onKeyDown, onFocusIn } = useRoving();
  const ids = entries?.map((one) => one.item_id) ?? [];
  useGlide(list, ids.join("\n"));
  useKeptFocus(list, ids);
  if (entries === null) {
    return (
      <ul class={`cards ${as}`} aria-label={label} aria-busy="true">
        {Array.from({ length: places }, (_, place) => <SkeletonCard key={place} reasons={reasons} scores={scores} />)}
      </ul>
    );
  }
  const known = active !== null && ids.includes(active);
  return (
    <ul ref={list} class={`cards ${as} ${busy ? "busy" : ""}`} aria-label={label} aria-busy={busy} onKeyDown={onKeyDown} onFocusIn={onFocusIn}>
      {entries.map((entry, place) => (
        <Card
          key={entry.item_id}
          entry={entry}
          reasons={reasons}
          scores={scores}
          reachable={known ? entry.item_id === active : place === 0}
          eager={as === "grid" && place < 12}
        />
      ))}
    </ul>
  );
}
