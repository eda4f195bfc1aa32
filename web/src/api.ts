// Asks the service that this page came from, and says what went wrong in its own words.

/** An answer that is not a success, or none at all (status 0). */
export class Failure extends Error {
  constructor(
    readonly status: number,
    message: string,
    /** Seconds after which it is worth asking again; null where it is not. */
    readonly retryAfter: number | null = null,
    readonly fields: Record<string, string> = {},
  ) {
    super(message);
  }
}

export async function ask<T>(path: string, init: RequestInit = {}): Promise<T> {
  let answer: Response;
  try {
    answer = await fetch(path, init);
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") throw error;
    throw new Failure(0, "The service does not answer.", 3);
  }
  if (answer.ok) return (await answer.json()) as T;
  const told = (await answer.json().catch(() => ({}))) as {
    detail?: string;
    errors?: { field: string; message: string }[];
  };
  const wait = Number(answer.headers.get("retry-after")) || 2;
  throw new Failure(
    answer.status,
    told.detail ?? `The service answered ${answer.status}.`,
    answer.status === 503 ? wait : null,
    Object.fromEntries((told.errors ?? []).map((one) => [one.field.replace(/^body\./, ""), one.message])),
  );
}

export const send = <T>(path: string, body: unknown, init: RequestInit = {}): Promise<T> =>
  ask<T>(path, {
    method: "POST",
    ...init,
    body: body instanceof FormData ? body : JSON.stringify(body),
    headers: body instanceof FormData ? { ...init.headers } : { "content-type": "application/json", ...init.headers },
  });

/** Whether an error only says that a newer question has taken the place of this one. */
export const superseded = (error: unknown): boolean => error instanceof DOMException && error.name === "AbortError";

export const asFailure = (error: unknown): Failure =>
  error instanceof Failure ? error : new Failure(0, error instanceof Error ? error.message : String(error));

/** An id as a part of a path. */
export const part = encodeURIComponent;

export interface Gesture {
  type: string;
  value: number | null;
}

export interface Dataset {
  dataset: string;
  title: string;
  model_version: string;
  items: number;
  users: number;
  category: string | null;
  categories: { name: string; items: number }[];
  item_features: Record<string, { kind: Kind }>;
  user_features: Record<string, { kind: Kind }>;
  gestures: { like: Gesture | null; dismiss: Gesture | null; open: Gesture | null };
  reads: boolean;
  looks: boolean;
  picture_ratio: number;
}

export type Kind = "categorical" | "multi" | "numeric";
export type FeatureValue = string | number | string[] | null | undefined;

export type Metadata = { title?: string; image?: boolean } & { [feature: string]: FeatureValue | boolean };

export interface Likeness {
  item_id: string;
  title: string;
  similarity: number;
}

export type Part = "text" | "image" | "behaviour" | "features";

export interface Entry {
  item_id: string;
  score: number | null;
  source: string;
  metadata: Metadata;
  /** Of the answer that showed it. */
  request_id?: string;
  unknown?: boolean;
  likeness?: Record<"text" | "image" | "behaviour", number | null>;
  explanation?: (Likeness & { history: Likeness[]; shares: Record<Part, number> | null }) | null;
}

export interface Listing {
  items: Entry[];
  request_id: string;
  model_version: string;
  latency_ms: number;
  degraded: boolean;
  degraded_reason?: string[];
  /** Of a search: by word of the query, what was searched besides. */
  expanded?: Record<string, string[]>;
  /** Of a search that found nothing, and shows something else. */
  fallback_reason?: string | null;
}

/** The items of an answer, each with the answer's id, so that what is done with one can be traced to it. */
export const shown = (answer: Listing): Entry[] => answer.items.map((one) => ({ ...one, request_id: answer.request_id }));

export interface Event {
  item_id: string;
  type: string;
  value: number | null;
  timestamp: string;
}

export interface Item {
  item_id: string;
  title: string;
  text: string;
  image: boolean;
  features: Record<string, FeatureValue>;
  available: boolean;
}
