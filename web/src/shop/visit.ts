// Who looks, and at what: from the first question to a change of user.
import { batch } from "@preact/signals";
import { asFailure, ask, part, type Dataset } from "../api";
import { bearing } from "../parts/key";
import { settle } from "./deeds";
import { recommend, remember, search } from "./lists";
import { dataset, EMPTY, features, forgotten, fresh, hidden, history, KEY, liked, opened, opening, shelf, turn, user } from "./state";

export function become(name: string): void {
  settle();
  batch(() => {
    user.value = name;
    hidden.value = liked.value = fresh.value = new Set();
    history.value = null;
    forgotten.value = null;
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

/** Some user of the model; null where there is none, or none is told. */
const anybody = (): Promise<string | null> =>
  ask<{ users: string[] }>("/v1/users?limit=1", { headers: bearing() }).then(
    (some) => some.users[0] ?? null,
    (error: unknown) => {
      if (asFailure(error).status === 403) return null;
      throw error;
    },
  );

/** Learn what is served here, and go on asking while the model is still being opened. */
export async function begin(): Promise<void> {
  try {
    const asked = ask<Dataset>("/v1/dataset");
    asked.catch(() => null); // it is waited for below
    if (!user.peek()) {
      user.value = (await anybody()) ?? "guest";
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
