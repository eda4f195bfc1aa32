// What the storefront knows. Components read these signals; `lists`, `deeds` and `visit` change them.
import { computed, effect, signal } from "@preact/signals";
import type { Dataset, Entry, Event, Failure, Metadata } from "../api";

export const KEY = "towerbridge.user";

/** A list and how it is doing. `entries` stays while a newer one is on its way. */
export interface Shelf {
  entries: Entry[] | null;
  loading: boolean;
  failure: Failure | null;
  degraded: string[];
  latency: number;
}

export const EMPTY: Shelf = { entries: null, loading: true, failure: null, degraded: [], latency: 0 };

/** What a search found, or shows where it found nothing. */
export interface Finding extends Shelf {
  expanded: Record<string, string[]>;
  fallback: boolean;
}

export const NOTHING: Finding = { ...EMPTY, expanded: {}, fallback: false };

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
/** What the user did of late; null until it is known. */
export const history = signal<Deed[] | null>(null);
/** Why it is not known. */
export const forgotten = signal<Failure | null>(null);
export const desk = signal<Desk>({ by: "model", diversity: 0, text: 1, image: 1, behaviour: 1, category: "" });
export const shelf = signal<Shelf>(EMPTY);
export const fresh = signal<ReadonlySet<string>>(new Set());
/** Items that are hidden here, whether or not the service has been told yet. */
export const hidden = signal<ReadonlySet<string>>(new Set());
export const liked = signal<ReadonlySet<string>>(new Set());
export const words = signal(given.get("q") ?? "");
export const picture = signal<File | null>(null);
export const found = signal<Finding>(NOTHING);
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

export const titleOf = (entry: { item_id: string; metadata: Metadata }): string => entry.metadata.title || entry.item_id;

export const without = <T>(all: ReadonlySet<T>, one: T): ReadonlySet<T> => new Set([...all].filter((other) => other !== one));

effect(() => {
  const query = new URLSearchParams();
  if (user.value) query.set("user", user.value);
  if (words.value.trim()) query.set("q", words.value.trim());
  window.history.replaceState(null, "", query.size ? `?${query}` : location.pathname);
});
