// Lists that are asked for: recommendations, what a search finds, what the user did.
import { batch } from "@preact/signals";
import { asFailure, ask, part, send, shown, superseded, type Event, type Gesture, type Listing } from "../api";
import { dataset, desk, forgotten, found, fresh, hidden, history, liked, NOTHING, picture, searching, shelf, user, weights, words } from "./state";
import { say } from "./toasts";

const PAGE = 24;
const REMEMBERED = 40;

let listing: AbortController | null = null;

/** Ask for the recommendations anew; what is new on the list is in `fresh` after. */
export async function recommend(): Promise<void> {
  listing?.abort();
  const mine = (listing = new AbortController());
  const now = desk.peek();
  const query = new URLSearchParams({ limit: String(PAGE), explain: "true", ...weights(now) });
  if (now.diversity) query.set("diversity", String(now.diversity));
  if (now.category) query.set("category", now.category);
  for (const id of hidden.peek()) query.append("exclude", id);
  const before = shelf.peek().entries;
  shelf.value = { ...shelf.peek(), loading: true };
  try {
    const answer = await ask<Listing>(`/v1/users/${part(user.peek())}/recommendations?${query}`, { signal: mine.signal });
    const entries = shown(answer).filter((one) => !hidden.peek().has(one.item_id));
    const old = new Set(before?.map((one) => one.item_id));
    const news = before === null ? [] : entries.filter((one) => !old.has(one.item_id)).map((one) => one.item_id);
    batch(() => {
      fresh.value = new Set(news);
      shelf.value = { entries, loading: false, failure: null, degraded: answer.degraded_reason ?? [], latency: answer.latency_ms };
    });
    if (before !== null) say(news.length ? `The list has changed: ${news.length} new` : "The list is up to date");
  } catch (error) {
    if (!superseded(error)) shelf.value = { ...shelf.peek(), loading: false, failure: asFailure(error) };
  }
}

let looking: AbortController | null = null;

export async function search(): Promise<void> {
  looking?.abort();
  if (!searching.peek()) return;
  const mine = (looking = new AbortController());
  const query = new URLSearchParams({ limit: String(PAGE), user_id: user.peek() });
  if (desk.peek().category) query.set("category", desk.peek().category);
  found.value = { ...found.peek(), loading: true };
  try {
    const file = picture.peek();
    let answer: Listing;
    if (file) {
      const form = new FormData();
      form.set("image", file);
      answer = await send<Listing>(`/v1/search/image?${query}`, form, { signal: mine.signal });
    } else {
      query.set("q", words.peek());
      query.set("explain", "true");
      answer = await ask<Listing>(`/v1/search?${query}`, { signal: mine.signal });
    }
    const fallback = !!answer.fallback_reason;
    found.value = {
      entries: shown(answer), loading: false, failure: null, degraded: answer.degraded_reason ?? [], latency: answer.latency_ms,
      expanded: answer.expanded ?? {}, fallback,
    };
    say(fallback ? "Nothing matches" : `${answer.items.length} found`);
  } catch (error) {
    if (!superseded(error)) found.value = { ...NOTHING, loading: false, failure: asFailure(error) };
  }
}

/** What the user did of late, latest first, each item once, with what there is to show of it. */
export async function remember(): Promise<void> {
  const who = user.peek();
  try {
    const told = await ask<{ interactions: Event[] }>(`/v1/users/${part(who)}/interactions?limit=200`);
    const once = [...new Map([...told.interactions].reverse().map((one) => [one.item_id, one])).values()]
      .filter((one) => one.item_id !== "")
      .sort((a, b) => b.timestamp.localeCompare(a.timestamp));
    const deeds = once.filter((one) => !same(one, dataset.peek()?.gestures.dismiss)).slice(0, REMEMBERED);
    const ranked = deeds.length
      ? await send<Listing>("/v1/rank", { user_id: who, candidates: deeds.map((one) => one.item_id) })
      : { items: [] };
    if (who !== user.peek()) return;
    const metadata = new Map(ranked.items.filter((one) => !one.unknown).map((one) => [one.item_id, one.metadata]));
    batch(() => {
      forgotten.value = null;
      history.value = deeds.flatMap((one) => {
        const known = metadata.get(one.item_id);
        return known ? [{ ...one, metadata: known }] : [];
      });
      liked.value = new Set(once.filter((one) => same(one, dataset.peek()?.gestures.like)).map((one) => one.item_id));
    });
  } catch (error) {
    if (who === user.peek()) forgotten.value = asFailure(error);
  }
}

const same = (event: Event, gesture: Gesture | null | undefined): boolean =>
  !!gesture && event.type === gesture.type && (gesture.value === null || event.value === gesture.value);
