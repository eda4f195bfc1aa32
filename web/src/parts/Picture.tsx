import { useState } from "preact/hooks";
import { part, type Metadata } from "../api";

/** A hue of 0 … 359 that a name always has. */
export function hue(name: string): number {
  let sum = 0;
  for (const letter of name) sum = (sum * 31 + letter.codePointAt(0)!) >>> 0;
  return (sum * 137) % 360;
}

/** When pictures were last replaced from this page, by item: their addresses change with it. */
const replaced = new Map<string, number>();
export const replacedNow = (id: string): void => void replaced.set(id, Date.now());

export const pictureOf = (id: string): string => {
  const at = replaced.get(id);
  return `/v1/items/${part(id)}/image${at === undefined ? "" : `?at=${at}`}`;
};

const RETRY_SECONDS = [1, 3];
const NONE = { state: "none", tries: 0 };
const COMING = { state: "coming", tries: 0 };

interface Props {
  id: string;
  metadata: Metadata;
  category?: string | undefined;
  eager?: boolean;
}

/** An item's picture in a place that is kept for it, or a drawn cover that bears its title. */
export function Picture({ id, metadata, category, eager = false }: Props) {
  const source = metadata.image ? pictureOf(id) : "";
  const [seen, see] = useState({ source, state: "coming", tries: 0 });
  const { state, tries } = !source ? NONE : seen.source === source ? seen : COMING;
  // A picture that does not come may come a moment later: the database rests after a failure.
  const again = () => {
    if (tries >= RETRY_SECONDS.length) see({ source, state: "none", tries });
    else setTimeout(() => see({ source, state: "coming", tries: tries + 1 }), RETRY_SECONDS[tries]! * 1000);
  };
  const color = hue(category ?? id);
  return (
    <span class={`picture ${state}`} style={{ "--hue": color }}>
      {state === "none" ? (
        <span class="cover" aria-hidden="true">
          <svg viewBox="0 0 100 150" preserveAspectRatio="xMidYMax slice" focusable="false">
            <path d="M0 96Q50 150 100 96M0 110Q50 164 100 110M0 82Q50 136 100 82" />
            <path d="M12 150V92l4-7 4 7v58M80 150V92l4-7 4 7v58" />
          </svg>
          <span class="cover-title">{metadata.title || id}</span>
        </span>
      ) : (
        <img
          key={tries}
          src={tries ? `${source}${source.includes("?") ? "&" : "?"}again=${tries}` : source}
          alt=""
          loading={eager ? "eager" : "lazy"}
          decoding="async"
          onLoad={() => see({ source, state: "there", tries })}
          onError={again}
        />
      )}
    </span>
  );
}
