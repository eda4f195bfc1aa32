// What the storefront knows, and how it asks for it. Components read signals; only functions here change them.
import { batch, computed, effect, signal } from "@preact/signals";
import {
  asFailure, ask, part, send, shown, superseded,
  type Dataset, type Entry, type Event, type Failure, type Gesture, type Listing, type Metadata,
} from "../api";
import { say, toast } from "./toasts";

export const PAGE = 24;
const UNDO_SECONDS = 6;
const KEY = "towerbridge.user";

/** A list and how it is doing. `entries` stays while a newer one is on its way. */
export interface Shelf {
  entries: Entry[] | null;
  loading: boolean;
  failure: Failure | null;
  degraded: string[];
  latency: number;
}

const EMPTY: Shelf = { entries: null, loading: true, failure: null, degraded: [], latency: 0 };

export interface Deed extends Event {
  metadata: Metadata;
}

export interface Desk {
  /** By the model's own order, or by likeness with weights of one's own. */
  by: "model" | "mix";
  diversity: number;
  text: number;
  image: number;
  behaviour: number;
  category: string;
}

const given = new URLSearchParams(location.search);

export const dataset = signal<Dataset | null>(null);
export const opening = signal<Failure | null>(null);
export const user = signal(given.get("user") ?? localStorage.getItem(KEY) ?? "");
export const features = signal<Record<string, unknown>>({});
export const history = signal<Deed[] | null>(null);
export const desk = signal<Desk>({ by: "model", diversity: 0, text: 1, image: 1, behaviour: 1, category: "" });
export const shelf = signal<Shelf>(EMPTY);
export const fresh = signal<ReadonlySet<string>>(new Set());
/** Items that are hidden here, whether or not the service has been told yet. */
export const hidden = signal<ReadonlySet<string>>(new Set());
export const liked = signal<ReadonlySet<string>>(new Set());
export const words = signal(given.get("q") ?? "");
export const picture = signal<File | null>(null);
export const found = signal<Shelf>(EMPTY);
export const opened = signal<Entry | null>(null);
/** Goes up with everything that may change the lists. */
export const turn = signal(0);

export const searching = computed(() => words.value.trim() !== "" || picture.value !== null);

/** The weights of the desk as a query. */
export function weights(mix: Desk): Record<string, string> {
  const { text, image, behaviour } = mix;
  if (mix.by === "model" || text + image + behaviour === 0) return {};
  return { w_text: String(text), w_image: String(image), w_behaviour: String(behaviour) };
}

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

/** What the user did of late, latest first, each item once, with what there is to show of it. */
export async function remember(): Promise<void> {
  const who = user.peek();
  try {
    const told = await ask<{ interactions: Event[] }>(`/v1/users/${part(who)}/interactions?limit=200`);
    const once = [...new Map([...told.interactions].reverse().map((one) => [one.item_id, one])).values()]
      .filter((one) => one.item_id !== "")
      .sort((a, b) => b.timestamp.localeCompare(a.timestamp));
    const deeds = once.filter((one) => !same(one, dataset.peek()?.gestures.dismiss)).slice(0, 40);
    const ranked = deeds.length
      ? await send<Listing>("/v1/rank", { user_id: who, candidates: deeds.map((one) => one.item_id) })
      : { items: [] };
    if (who !== user.peek()) return;
    const metadata = new Map(ranked.items.filter((one) => !one.unknown).map((one) => [one.item_id, one.metadata]));
    batch(() => {
      history.value = deeds.flatMap((one) => {
        const known = metadata.get(one.item_id);
        return known ? [{ ...one, metadata: known }] : [];
      });
      liked.value = new Set(once.filter((one) => same(one, dataset.peek()?.gestures.like)).map((one) => one.item_id));
    });
  } catch (error) {
    if (who === user.peek() && history.peek() === null) history.value = [];
    if (asFailure(error).status !== 503) throw error;
  }
}

const same = (event: Event, gesture: Gesture | null | undefined): boolean =>
  !!gesture && event.type === gesture.type && (gesture.value === null || event.value === gesture.value);

async function record(entry: Entry, gesture: Gesture, keepalive = false, who = user.peek()): Promise<void> {
  const event = { user_id: who, item_id: entry.item_id, type: gesture.type, ...(gesture.value !== null && { value: gesture.value }), ...(entry.request_id && { request_id: entry.request_id }) };
  await send("/v1/interactions", event, { keepalive });
}

export async function like(entry: Entry): Promise<void> {
  const gesture = dataset.peek()?.gestures.like;
  if (!gesture || liked.peek().has(entry.item_id)) return;
  liked.value = new Set([...liked.peek(), entry.item_id]);
  try {
    await record(entry, gesture);
    toast(`You like ${titleOf(entry)}.`);
    turn.value += 1;
    await Promise.all([recommend(), remember()]);
  } catch (error) {
    liked.value = without(liked.peek(), entry.item_id);
    toast(`It was not recorded: ${asFailure(error).message}`, { bad: true });
  }
}

/** Dismissals that can still be taken back, by item; each tells the service when its time is up. */
const pending = new Map<string, { timer: number; tell: (keepalive: boolean) => Promise<void> }>();

/** Hide an item at once; the service is told when it can no longer be undone. */
export function dismiss(entry: Entry): void {
  const id = entry.item_id;
  const gesture = dataset.peek()?.gestures.dismiss ?? null;
  const who = user.peek();
  batch(() => {
    hidden.value = new Set([...hidden.peek(), id]);
    const now = shelf.peek();
    shelf.value = { ...now, entries: now.entries?.filter((one) => one.item_id !== id) ?? null };
  });
  const tell = async (keepalive: boolean): Promise<void> => {
    pending.delete(id);
    if (gesture === null) return;
    try {
      await record(entry, gesture, keepalive, who);
    } catch (error) {
      toast(`${titleOf(entry)} is hidden here only: ${asFailure(error).message}`, { bad: true });
    }
  };
  pending.set(id, { timer: window.setTimeout(() => void tell(false), UNDO_SECONDS * 1000), tell });
  if (opened.peek()?.item_id === id) close();
  toast(gesture ? `${titleOf(entry)} is gone.` : `${titleOf(entry)} is hidden until you leave.`, {
    seconds: UNDO_SECONDS,
    action: "Undo",
    onAction: () => restore(entry),
  });
  void recommend();
}

function restore(entry: Entry): void {
  const waiting = pending.get(entry.item_id);
  if (!waiting) return;
  clearTimeout(waiting.timer);
  pending.delete(entry.item_id);
  hidden.value = without(hidden.peek(), entry.item_id);
  say(`${titleOf(entry)} is back.`);
  void recommend();
}

/** Tell the service of all dismissals now. */
export function settle(keepalive = false): void {
  for (const { timer, tell } of [...pending.values()]) {
    clearTimeout(timer);
    void tell(keepalive);
  }
}
addEventListener("pagehide", () => settle(true));

/** Show an item in full, and record that. */
export function open(entry: Entry): void {
  opened.value = entry;
  const gesture = dataset.peek()?.gestures.open;
  if (gesture)
    record(entry, gesture)
      .then(() => (visited = true))
      .catch((error: unknown) => toast(`The visit was not recorded: ${asFailure(error).message}`, { bad: true }));
}

/** Whether something was opened that the lists have not been told of. */
let visited = false;

/** Back to the lists, which know by then what was looked at. */
export function close(): void {
  opened.value = null;
  if (!visited) return;
  visited = false;
  turn.value += 1;
  void Promise.allSettled([recommend(), remember()]);
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
      answer = await ask<Listing>(`/v1/search?${query}`, { signal: mine.signal });
    }
    found.value = { entries: shown(answer), loading: false, failure: null, degraded: answer.degraded_reason ?? [], latency: answer.latency_ms };
    say(`${answer.items.length} found`);
  } catch (error) {
    if (!superseded(error)) found.value = { ...EMPTY, loading: false, failure: asFailure(error) };
  }
}

export function become(name: string): void {
  settle();
  batch(() => {
    user.value = name;
    hidden.value = liked.value = fresh.value = new Set();
    history.value = null;
    features.value = {};
    shelf.value = EMPTY;
    opened.value = null;
  });
  turn.value += 1;
  void meet();
}

/** Everything that depends on who looks. */
async function meet(listed = recommend()): Promise<void> {
  const who = user.peek();
  localStorage.setItem(KEY, who);
  const known = ask<{ features: Record<string, unknown> }>(`/v1/users/${part(who)}`)
    .then((record) => who === user.peek() && (features.value = record.features))
    .catch(() => null);
  await Promise.allSettled([listed, remember(), known, search()]);
}

/** Learn what is served here, and go on asking while the model is still being opened. */
export async function begin(): Promise<void> {
  try {
    const asked = ask<Dataset>("/v1/dataset");
    asked.catch(() => null); // it is waited for below
    if (!user.peek()) {
      const some = await ask<{ users: string[] }>("/v1/users?limit=1");
      user.value = some.users[0] ?? "guest";
    }
    const listed = recommend(); // which needs to know nothing of what is served
    dataset.value = await asked;
    document.title = `${dataset.value.title} · Towerbridge`;
    document.documentElement.style.setProperty("--ratio", String(dataset.value.picture_ratio));
    opening.value = null;
    await meet(listed);
  } catch (error) {
    opening.value = asFailure(error);
  }
}

effect(() => {
  const query = new URLSearchParams();
  if (user.value) query.set("user", user.value);
  if (words.value.trim()) query.set("q", words.value.trim());
  window.history.replaceState(null, "", query.size ? `?${query}` : location.pathname);
});

export const titleOf = (entry: { item_id: string; metadata: Metadata }): string => entry.metadata.title || entry.item_id;

const without = <T>(all: ReadonlySet<T>, one: T): ReadonlySet<T> => new Set([...all].filter((other) => other !== one));
