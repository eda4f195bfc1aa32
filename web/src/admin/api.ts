// Questions that only administrators may ask; the key stays in this tab.
import { signal } from "@preact/signals";
import { useEffect, useState } from "preact/hooks";
import { asFailure, ask, send, type Failure, type Likeness, type Part } from "../api";
import { bearing, KEY } from "../parts/key";

export const key = signal(sessionStorage.getItem(KEY) ?? "");
/** Whether this key, or this machine, may look, as far as the service has said. */
export const admitted = signal(true);
export const refusal = signal("");

export const look = <T>(path: string, signal?: AbortSignal): Promise<T> =>
  ask<T>(path, { headers: bearing(key.peek()), ...(signal && { signal }) }).catch(shutOut);

export const act = <T>(path: string): Promise<T> => send<T>(path, {}, { headers: bearing(key.peek()) }).catch(shutOut);

function shutOut(error: unknown): never {
  const failure = asFailure(error);
  if (failure.status === 403) {
    refusal.value = failure.message;
    admitted.value = false;
  }
  throw error;
}

/** Ask whether a key opens the door. */
export async function enter(given: string): Promise<void> {
  key.value = given;
  try {
    await look("/v1/users?limit=1"); // the least that only administrators are told
    sessionStorage.setItem(KEY, given);
    admitted.value = true;
  } catch (error) {
    const failure = asFailure(error);
    if (failure.status === 403) sessionStorage.removeItem(KEY);
    else throw failure;
  }
}

export function leave(): void {
  sessionStorage.removeItem(KEY);
  key.value = "";
  refusal.value = "";
  admitted.value = false;
}

export interface Told<T> {
  data: T | null;
  failure: Failure | null;
  again: () => void;
}

/** The answer to a question, asked anew every so many seconds while the page is looked at. */
export function useTold<T>(path: string | null, seconds = 0): Told<T> {
  const [data, show] = useState<T | null>(null);
  const [failure, fail] = useState<Failure | null>(null);
  const [turn, again] = useState(0);
  useEffect(() => {
    if (path === null) return;
    const stop = new AbortController();
    let timer = 0;
    const question = () => {
      look<T>(path, stop.signal)
        .then((answer) => (show(answer), fail(null)))
        .catch((error: unknown) => stop.signal.aborted || fail(asFailure(error)))
        .finally(() => {
          if (seconds && !stop.signal.aborted) timer = window.setTimeout(wait, seconds * 1000);
        });
    };
    const wait = () => (document.hidden ? (timer = window.setTimeout(wait, seconds * 1000)) : question());
    question();
    return () => (stop.abort(), clearTimeout(timer));
  }, [path, turn]);
  return { data, failure, again: () => again(turn + 1) };
}

type Figures = { [name: string]: number | string | boolean | null | Figures };

export interface Version {
  version: string;
  state: "candidate" | "serving" | "retired" | "refused";
  reason: string;
  created: string | null;
  counts: Record<string, number> | null;
  rank_by: string | null;
  metrics: Figures;
  changes: { at: string; state: string; by: string; reason: string }[];
}

export interface Registry {
  dataset: string;
  promoted: string | null;
  answering: string | null;
  /** The promoted version, where it does not verify and another answers. */
  refused: { version: string; reason: string } | null;
  models: Version[];
}

/** An item as the control room is told of it. */
export interface Named {
  item_id: string;
  title: string;
  image: boolean;
}

export interface Overview {
  dataset: string;
  model_version: string;
  model_age_seconds: number;
  workers: number;
  window_seconds: number;
  /** Since the start: what two looks differ by was answered between them. */
  answers: number;
  routes: { method: string; route: string; requests: number; per_second: number; errors: number; p50_ms: number | null; p95_ms: number | null; p99_ms: number | null }[];
  stages: { stage: string; count: number; p50_ms: number | null; p95_ms: number | null; p99_ms: number | null }[];
  degraded: Record<string, number>;
  events: Record<string, number>;
  freshness: { lag_seconds: number | null; new_items: number };
  shown: {
    impressions: number; days: number; items: number; coverage: number | null; gini: number | null; by_popularity: number[];
    top: (Named & { count: number })[];
  } | null;
  data: {
    items: number; available: number; without_text: number; without_image: number; cold_items: number; users: number; cold_users: number;
    interactions: number;
  } | null;
}

export interface Inspection {
  user_id: string;
  known: boolean;
  cold: boolean;
  model_version: string;
  history: (Named & { type: string; timestamp: string })[];
  /** Of the whole recommendation, and of each source asked by itself. */
  milliseconds: Record<string, number>;
  catalogue: number;
  pool: number;
  neighbours: (Named & { similarity: number | null; filtered: string | null })[];
  sources: { source: string; share: number; proposed: number; taken: number; items: (Named & { score: number | null })[] }[];
  items: (Named & {
    source: string; score: number | null; similarity: number | null; shares: Record<Part, number> | null; like: Likeness[];
  })[];
  filtered: Record<string, number>;
  degraded: string[];
}

export interface Chart {
  items: (Named & { category: string | null; x: number; y: number })[];
  explained: number[];
  of: number;
}

export interface Runs {
  runs: {
    run: string; began: string | null; finished: string | null; metrics: Figures;
    curves: Record<string, Record<string, number | null>[]>; notes: string | string[] | null;
  }[];
  jobs: { job: string; begun: string; ended: string | null; outcome: string; detail: string }[];
}

/** Figures by what was measured, such as "validation · ranker"; then by measure. */
export function measured(figures: Figures, under = ""): Map<string, Map<string, number>> {
  const found = new Map<string, Map<string, number>>();
  const own = new Map(Object.entries(figures).filter((one): one is [string, number] => typeof one[1] === "number"));
  if (own.size) found.set(under, own);
  for (const [name, value] of Object.entries(figures))
    if (value !== null && typeof value === "object")
      for (const one of measured(value, under ? `${under} · ${name}` : name)) found.set(...one);
  return found;
}
