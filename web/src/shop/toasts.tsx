import { signal } from "@preact/signals";
import { Icon } from "../parts/Icon";

interface Toast {
  key: number;
  text: string;
  bad: boolean;
  action?: string | undefined;
  onAction?: (() => void) | undefined;
}

interface Options {
  seconds?: number;
  bad?: boolean;
  action?: string;
  onAction?: () => void;
}

const toasts = signal<readonly Toast[]>([]);
const spoken = signal("");
let count = 0;

/** Tell those who hear the page. */
export const say = (text: string): void => void (spoken.value = text);

const close = (key: number) => void (toasts.value = toasts.peek().filter((one) => one.key !== key));

/** A short notice at the foot of the page. */
export function toast(text: string, { seconds = 4, bad = false, action, onAction }: Options = {}): void {
  const key = ++count;
  toasts.value = [...toasts.peek().slice(-2), { key, text, bad, action, onAction }];
  window.setTimeout(() => close(key), (bad ? 8 : seconds) * 1000);
}

export const Toasts = () => (
  <>
    <div class="visually-hidden" role="status" aria-live="polite">
      {spoken}
    </div>
    <div class="toasts" role="region" aria-label="Notices" aria-live="polite">
      {toasts.value.map((one) => (
        <div key={one.key} class={`toast ${one.bad ? "bad" : ""}`}>
          {one.bad && <Icon name="alert" />}
          <span>{one.text}</span>
          {one.action && (
            <button
              type="button"
              onClick={() => {
                close(one.key);
                one.onAction?.();
              }}
            >
              {one.action}
            </button>
          )}
        </div>
      ))}
    </div>
  </>
);
