import { useEffect, useState } from "preact/hooks";
import { asFailure, ask, part, shown, superseded, type Entry, type Failure, type Item, type Listing } from "../api";
import { Dialog } from "../parts/Dialog";
import { Icon } from "../parts/Icon";
import { Picture } from "../parts/Picture";
import { ShareBar, ShareTable } from "../parts/Shares";
import { Trouble } from "../parts/Trouble";
import { categoryOf, shownScore } from "./Card";
import { Cards } from "./Cards";
import { sourceName } from "./sources";
import { close, dismiss, like } from "./deeds";
import { dataset, desk, hidden, liked, titleOf, weights } from "./state";

const WAYS = {
  learned: "The towers", text: "Text", image: "Picture", behaviour: "Behaviour", mix: "My mix", together: "Taken together",
} as const;
type Way = keyof typeof WAYS;

const query = (way: Way): Record<string, string> => {
  if (way === "learned") return {};
  if (way === "together") return { by: "covisitation" };
  if (way === "mix") return weights({ ...desk.value, by: "mix" });
  return { [`w_${way}`]: "1" };
};

function Similar({ entry }: { entry: Entry }) {
  const [way, choose] = useState<Way>("learned");
  const [items, show] = useState<Entry[] | null>(null);
  const [failure, fail] = useState<Failure | null>(null);
  const [again, retry] = useState(0);
  useEffect(() => {
    const stop = new AbortController();
    fail(null);
    ask<Listing>(`/v1/items/${part(entry.item_id)}/similar?${new URLSearchParams({ limit: "12", ...query(way) })}`, { signal: stop.signal })
      .then((answer) => show(shown(answer)))
      .catch((error: unknown) => superseded(error) || (fail(asFailure(error)), show(null)));
    return () => stop.abort();
  }, [entry.item_id, way, again]);
  const visible = items?.filter((one) => !hidden.value.has(one.item_id)) ?? null;
  return (
    <section class="similar" aria-labelledby="similar">
      <h3 id="similar">More like it</h3>
      <div class="ways" role="group" aria-label="Alike by">
        {(Object.keys(WAYS) as Way[]).map((one) => (
          <button key={one} type="button" aria-pressed={one === way} onClick={() => choose(one)}>{WAYS[one]}</button>
        ))}
      </div>
      {failure ? <Trouble failure={failure} again={() => retry(again + 1)} />
        : visible?.length === 0 ? <p class="none">There is nothing to compare by.</p>
        : <Cards label={`Similar by ${WAYS[way].toLowerCase()}`} entries={visible} as="row" places={5} />}
    </section>
  );
}

/** One item in full, why it is on the list, and what is like it. */
export function Detail({ entry }: { entry: Entry }) {
  const [item, show] = useState<Item | null>(null);
  const id = entry.item_id;
  useEffect(() => {
    const stop = new AbortController();
    show(null);
    ask<Item>(`/v1/items/${part(id)}`, { signal: stop.signal }).then(show).catch(() => null);
    return () => stop.abort();
  }, [id]);
  const why = entry.explanation;
  const mine = liked.value.has(id);
  const title = titleOf(entry);
  return (
    <Dialog title={title} place="side" onClose={close}>
      <article class="detail" key={id}>
        <div class="detail-head">
          <Picture id={id} metadata={entry.metadata} category={categoryOf(entry)} eager />
          <div>
            <h2>{title}</h2>
            <dl class="facts">
              {Object.keys(dataset.value?.item_features ?? {}).map((name) => {
                const value = entry.metadata[name];
                if (value === null || value === undefined || value === "") return null;
                return (
                  <div key={name}>
                    <dt>{name.replaceAll("_", " ")}</dt>
                    <dd>{Array.isArray(value) ? value.join(", ") : String(value)}</dd>
                  </div>
                );
              })}
              {entry.score !== null && <div><dt>score</dt><dd>{shownScore(entry.score)} · {sourceName(entry.source)}</dd></div>}
            </dl>
            <div class="detail-actions">
              {dataset.value?.gestures.like && (
                <button type="button" class="primary" aria-pressed={mine} onClick={() => void like(entry)}>
                  <Icon name="heart" filled={mine} />{mine ? "Liked" : "Like"}
                </button>
              )}
              <button type="button" onClick={() => dismiss(entry)}><Icon name="close" />Dismiss</button>
            </div>
          </div>
        </div>
        {why && (
          <section class="because" aria-labelledby="because">
            <h3 id="because">Why it is on the list</h3>
            <ol>
              {why.history.map((one) => (
                <li key={one.item_id}>
                  <span>{one.title || one.item_id}</span>
                  <meter min={0} max={1} value={Math.max(one.similarity, 0)} aria-label={`likeness to ${one.title || one.item_id}`} />
                  <b>{one.similarity.toFixed(2)}</b>
                </li>
              ))}
            </ol>
            {why.shares && <><ShareBar shares={why.shares} /><ShareTable shares={why.shares} /></>}
          </section>
        )}
        {item?.text && <p class="detail-text">{item.text}</p>}
        <Similar entry={entry} />
      </article>
    </Dialog>
  );
}
