import { useEffect, useRef, useState } from "preact/hooks";
import { asFailure, ask, part, shown, type Entry, type Failure, type Listing } from "../api";
import { Icon } from "../parts/Icon";
import { Trouble } from "../parts/Trouble";
import { Cards } from "./Cards";
import { desk, hidden, turn, user } from "./state";

const ROWS = [
  { source: "trending", title: "Trending now", says: "Taken most of late; what is older fades by the hour" },
  { source: "popular", title: "Popular", says: "Taken most of all" },
  { source: "best_value", title: "Best value", says: "Discount, rating and how many rated" },
  { source: "top_categories", title: "From your categories", says: "Taken most of those that you take most" },
  { source: "rules", title: "Taken with what you took", says: "By rules that sessions follow" },
  { source: "diverse", title: "Something else", says: "From categories that are seldom shown" },
] as const;

/** One list of one source; it is not there where this service, or its model, has no such list. */
function Row({ source, title, says }: (typeof ROWS)[number]) {
  const [entries, show] = useState<Entry[] | null>(null);
  const [failure, fail] = useState<Failure | null>(null);
  const [again, retry] = useState(0);
  const scroller = useRef<HTMLDivElement>(null);
  const category = desk.value.category;
  useEffect(() => {
    const stop = new AbortController();
    const query = new URLSearchParams({ user_id: user.value, limit: "18", ...(category && { category }) });
    ask<Listing>(`/v1/lists/${part(source)}?${query}`, { signal: stop.signal })
      .then((answer) => (show(shown(answer)), fail(null)))
      .catch((error: unknown) => stop.signal.aborted || fail(asFailure(error)));
    return () => stop.abort();
  }, [user.value, category, turn.value, again]);
  if (failure && failure.status !== 503 && failure.status !== 0) return null;
  const visible = entries?.filter((one) => !hidden.value.has(one.item_id)) ?? null;
  if (visible?.length === 0) return null;
  const slide = (way: number) => {
    const list = scroller.current?.querySelector("ul");
    list?.scrollBy({ left: way * list.clientWidth * 0.85, behavior: matchMedia("(prefers-reduced-motion: reduce)").matches ? "auto" : "smooth" });
  };
  return (
    <section class="row" aria-labelledby={`row-${source}`}>
      <header>
        <h2 id={`row-${source}`}>{title}</h2>
        <p>{says}</p>
        <div class="row-arrows" aria-hidden="true">
          <button type="button" class="quiet round" tabIndex={-1} onClick={() => slide(-1)}><Icon name="left" /></button>
          <button type="button" class="quiet round" tabIndex={-1} onClick={() => slide(1)}><Icon name="right" /></button>
        </div>
      </header>
      <div ref={scroller}>
        {failure ? <Trouble failure={failure} again={() => retry(again + 1)} /> : <Cards label={title} entries={visible} as="row" scores={false} places={8} />}
      </div>
    </section>
  );
}

export const Rows = () => <>{ROWS.map((row) => <Row key={row.source} {...row} />)}</>;
