// What somebody does on the page, and how the service is told of it.
import { batch } from "@preact/signals";
import { asFailure, send, type Entry, type Gesture } from "../api";
import { recommend, remember } from "./lists";
import { dataset, hidden, liked, opened, shelf, titleOf, turn, user, without } from "./state";
import { say, toast } from "./toasts";

const UNDO_SECONDS = 6;

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
