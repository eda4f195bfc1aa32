// Questions that only administrators may ask; the key stays in this tab.
import { signal } from "@preact/signals";
import { useEffect, useState } from "preact/hooks";
import { asFailure, ask, send, type Failure } from "../api";

const KEY = "towerbridge.admin-key";
export const key = signal(sessionStorage.getItem(KEY) ?? "");
/** Whether the service has said that this key, or this machine, may look. */
export const admitted = signal<"asking" | "yes" | "no">("asking");
export const refusal = signal("");

const headers = (): Record<string, string> => (key.peek() ? { "x-admin-key": key.peek() } : {});

export const look = <T>(path: string, signal?: AbortSignal): Promise<T> =>
  ask<T>(path, { headers: headers(), ...(signal && { signal }) }).catch(shutOut);

export const act = <T>(path: string): Promise<T> => send<T>(path, {}, { headers: headers() }).catch(shutOut);

function shutOut(error: unknown): never {
  const failure = asFailure(error);
  if (failure.status === 403) {
    refusal.value = failure.message;
    admitted.value = "no";
  }
  throw error;
}

/** Ask whether a key opens the door; with none, whether this machine does. */
export async function enter(given: string): Promise<void> {
  key.value = given;
  try {
    await look("/v1/models");
    sessionStorage.setItem(KEY, given);
    admitted.value = "yes";
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
  admitted.value = "no";
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
  models: Version[];
}

export interface Overview {
  dataset: string;
  model_version: string;
  model_age_seconds: number;
  workers: number;
  window_seconds: number;
  routes: { method: string; route: string; requests: number; per_second: number; errors: number; p50_ms: number | null; p95_ms: number | null; p99_ms: number | null }[];
  stages: { stage: string; count: number; p50_ms: number | null; p95_ms: number | null; p99_ms: number | null }[];
  degraded: Record<string, number>;
  events: Record<string, number>;
  freshness: { lag_seconds: number | null; new_items: number };
  shown: {
    impressions: number; days: number; items: number; coverage: number | null; gini: number | null; by_popularity: number[];
    top: { item_id: string; title: string; count: number }[];
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
  history: { item_id: string; title: string; type: string; timestamp: string }[];
  /** Of the whole recommendation, and of each source asked by itself. */
  milliseconds: Record<string, number>;
  neighbours: { item_id: string; title: string; similarity: number | null; filtered: string | null }[];
  sources: { source: string; share: number; proposed: number; taken: number; items: { item_id: string; title: string; score: number | null }[] }[];
  items: {
    item_id: string; title: string; source: string; score: number | null; similarity: number | null;
    shares: Record<"text" | "image" | "behaviour" | "features", number> | null;
    like: { item_id: string; title: string; similarity: number }[];
  }[];
  filtered: Record<string, number>;
  degraded: string[];
}

export interface Chart {
  items: { item_id: string; title: string; category: string | null; x: number; y: number }[];
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

/** Figures of all depths as one table, by their path. */
export function flat(figures: Figures, under = ""): Map<string, number> {
  const found = new Map<string, number>();
  for (const [name, value] of Object.entries(figures)) {
    const path = under ? `${under} · ${name}` : name;
    if (typeof value === "number") found.set(path, value);
    else if (value !== null && typeof value === "object" && !Array.isArray(value)) for (const one of flat(value, path)) found.set(...one);
  }
  return found;
}
