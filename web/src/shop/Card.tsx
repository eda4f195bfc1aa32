import type { Entry, Part } from "../api";
import { Icon } from "../parts/Icon";
import { Picture } from "../parts/Picture";
import { NAMES, ShareBar, WEIGHED } from "../parts/Shares";
import { sourceName } from "./sources";
import { dismiss, like, open } from "./deeds";
import { dataset, desk, fresh, history, liked, titleOf } from "./state";

/** The first category of an item, which colours its cover. */
export function categoryOf(entry: Entry): string | undefined {
  const name = dataset.value?.category;
  const value = name ? entry.metadata[name] : undefined;
  return Array.isArray(value) ? value[0] : typeof value === "string" ? value : undefined;
}

/** What there is to say of an item in a few words: numbers and categories, in the order declared. */
export function facts(entry: Entry, most = 2): string {
  const kinds = dataset.value?.item_features ?? {};
  return Object.entries(kinds)
    .flatMap(([name, { kind }]) => {
      const value = entry.metadata[name];
      if (value === null || value === undefined || value === "") return [];
      if (name === "year") return entry.metadata.title?.includes(`(${String(value)})`) ? [] : [String(value)];
      if (kind === "numeric") return [`${name.replaceAll("_", " ")} ${value}`];
      return Array.isArray(value) ? value.slice(0, most) : [String(value)];
    })
    .slice(0, most + 1)
    .join(" · ");
}

/** Why it is there, in a line. */
function reason(entry: Entry) {
  const near = entry.explanation;
  if (near) return <>like <b>{near.title || near.item_id}</b></>;
  if (entry.likeness) {
    const told = WEIGHED.filter((name) => entry.likeness![name] !== null);
    return told.map((name) => `${NAMES[name]} ${entry.likeness![name]!.toFixed(2)}`).join(" · ");
  }
  return entry.source === "popular" ? "much taken by others" : history.value?.length === 0 ? "a first guess" : sourceName(entry.source);
}

/** What speaks for it: as the towers add up, or as one's own weights do. */
function speaking(entry: Entry): Record<Part, number> | null {
  if (entry.explanation?.shares) return entry.explanation.shares;
  if (!entry.likeness) return null;
  const parts = WEIGHED.map((name) => desk.value[name] * Math.max(entry.likeness![name] ?? 0, 0));
  const [text = 0, image = 0, behaviour = 0] = parts.map((one) => one / (parts.reduce((sum, each) => sum + each, 0) || 1));
  return { text, image, behaviour, features: 0 };
}

/** Counts as they are, all else with two or three decimals. */
export function shownScore(score: number | null): string {
  if (score === null) return "–";
  if (Number.isInteger(score)) return score.toLocaleString("en");
  const size = Math.abs(score);
  return size < 0.001 ? score.toExponential(0) : score.toFixed(size < 0.1 ? 3 : 2);
}

interface Props {
  entry: Entry;
  reachable: boolean;
  eager?: boolean;
  /** Whether to say why it is there. */
  reasons?: boolean;
  /** Whether to say its score and who proposed it. */
  scores?: boolean;
}

export function Card({ entry, reachable, eager = false, reasons = false, scores = true }: Props) {
  const tab = reachable ? 0 : -1;
  const title = titleOf(entry);
  const mine = liked.value.has(entry.item_id);
  const gestures = dataset.value?.gestures;
  const shares = reasons ? speaking(entry) : null;
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    if (event.key === "l" && gestures?.like) void like(entry);
    else if (event.key === "x" || event.key === "Delete") dismiss(entry);
  };
  return (
    <li class={`card ${fresh.value.has(entry.item_id) ? "fresh" : ""}`} data-card={entry.item_id} onKeyDown={onKeyDown}>
      <button type="button" class="card-main" data-main tabIndex={tab} aria-keyshortcuts="L X" onClick={() => open(entry)}>
        <Picture id={entry.item_id} metadata={entry.metadata} category={categoryOf(entry)} eager={eager} />
        <span class="card-words">
          <span class="card-title">{title}</span>
          <span class="card-facts">{facts(entry)}</span>
        </span>
      </button>
      <div class="card-actions">
        {gestures?.like && (
          <button type="button" class="round like" tabIndex={tab} aria-pressed={mine} aria-label={`Like ${title}`} onClick={() => void like(entry)}>
            <Icon name="heart" filled={mine} />
          </button>
        )}
        <button type="button" class="round dismiss" tabIndex={tab} aria-label={`Dismiss ${title}`} onClick={() => dismiss(entry)}>
          <Icon name="close" />
        </button>
      </div>
      {reasons && (
        <div class="card-why">
          <span class="why-line">{reason(entry)}</span>
          {shares ? <ShareBar shares={shares} /> : <span class="shares bare" />}
        </div>
      )}
      {scores && (
        <div class="card-foot">
          <span class="score"><small>score</small> {shownScore(entry.score)}</span>
          <span class="source">{sourceName(entry.source)}</span>
        </div>
      )}
    </li>
  );
}

export const SkeletonCard = ({ reasons, scores }: { reasons: boolean; scores: boolean }) => (
  <li class="card skeleton" aria-hidden="true">
    <div class="card-main">
      <span class="picture coming" />
      <span class="card-words">
        <span class="card-title" />
        <span class="card-facts" />
      </span>
    </div>
    {reasons && <div class="card-why" />}
    {scores && <div class="card-foot" />}
  </li>
);
