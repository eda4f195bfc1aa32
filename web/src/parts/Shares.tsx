import type { Part } from "../api";

export const PARTS: readonly Part[] = ["text", "image", "behaviour", "features"];
/** Those that somebody may weigh. */
export const WEIGHED = ["text", "image", "behaviour"] as const;
export const NAMES: Record<Part, string> = {
  text: "text",
  image: "picture",
  behaviour: "behaviour",
  features: "features",
};

const percent = (share: number) => `${Math.round(share * 100)} %`;

const spoken = (shares: Record<Part, number>): string =>
  PARTS.filter((name) => shares[name] >= 0.005)
    .map((name) => `${NAMES[name]} ${percent(shares[name])}`)
    .join(", ");

/** What speaks for an item, as one bar of up to four colours. */
export const ShareBar = ({ shares }: { shares: Record<Part, number> }) => (
  <span class="shares" role="img" aria-label={`What speaks for it: ${spoken(shares)}`} title={spoken(shares)}>
    {PARTS.filter((name) => shares[name] >= 0.005).map((name) => (
      <span key={name} class={`share ${name}`} style={{ flexGrow: shares[name] }} />
    ))}
  </span>
);

/** The same in words, with numbers. */
export const ShareTable = ({ shares }: { shares: Record<Part, number> }) => (
  <ul class="share-table">
    {PARTS.map((name) => (
      <li key={name}>
        <span class={`dot ${name}`} aria-hidden="true" />
        {NAMES[name]}
        <b>{percent(shares[name])}</b>
      </li>
    ))}
  </ul>
);
