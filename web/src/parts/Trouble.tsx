import { useEffect, useState } from "preact/hooks";
import type { Failure } from "../api";
import { Icon } from "./Icon";

/** What went wrong, in the service's words, and another try: by itself where the service says when. */
export function Trouble({ failure, again }: { failure: Failure; again: () => void }) {
  const [left, count] = useState(failure.retryAfter);
  useEffect(() => {
    count(failure.retryAfter);
    if (failure.retryAfter === null) return;
    const due = Date.now() + failure.retryAfter * 1000;
    const timer = setInterval(() => {
      const seconds = Math.ceil((due - Date.now()) / 1000);
      count(Math.max(seconds, 0));
      if (seconds <= 0) {
        clearInterval(timer);
        again();
      }
    }, 250);
    return () => clearInterval(timer);
  }, [failure]);
  return (
    <div class="trouble" role="alert">
      <Icon name="alert" />
      <div>
        <strong>{failure.status === 503 ? "Not just now" : failure.status === 0 ? "No answer" : "That did not work"}</strong>
        <p>{failure.message}</p>
        <button type="button" onClick={again}>
          Try now{left === null ? "" : <span class="count"> ({left} s)</span>}
        </button>
      </div>
    </div>
  );
}

/** That a part of the service was done without. */
export const Degraded = ({ reasons }: { reasons: string[] }) =>
  reasons.length ? (
    <p class="degraded">
      <Icon name="alert" />
      Answered without {reasons.map((one) => one.replaceAll("_", " ")).join(", ")}: the list is less personal than it can be.
    </p>
  ) : null;
