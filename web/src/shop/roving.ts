import type { RefObject } from "preact";
import { useLayoutEffect, useRef, useState } from "preact/hooks";

export interface Roving {
  /** The card that Tab reaches; null before any was. */
  active: string | null;
  onKeyDown: (event: KeyboardEvent) => void;
  onFocusIn: (event: FocusEvent) => void;
}

const cardsOf = (list: HTMLElement) => [...list.querySelectorAll<HTMLElement>("[data-card]")];
const focus = (card: HTMLElement | undefined) => card?.querySelector<HTMLElement>("[data-main]")?.focus();

/** One stop of the Tab key for a whole list; arrows, Home and End go from card to card, in rows and columns. */
export function useRoving(): Roving {
  const [active, become] = useState<string | null>(null);
  const onFocusIn = (event: FocusEvent) => {
    const card = (event.target as HTMLElement).closest<HTMLElement>("[data-card]");
    if (card) become(card.dataset["card"]!);
  };
  const onKeyDown = (event: KeyboardEvent) => {
    const list = event.currentTarget as HTMLElement;
    const card = (event.target as HTMLElement).closest<HTMLElement>("[data-card]");
    if (!card || event.altKey || event.ctrlKey || event.metaKey) return;
    const cards = cardsOf(list);
    const at = cards.indexOf(card);
    const to = destination(event.key, cards, at);
    if (to === null) return;
    event.preventDefault();
    focus(cards[Math.min(Math.max(to, 0), cards.length - 1)]);
  };
  return { active, onKeyDown, onFocusIn };
}

function destination(key: string, cards: HTMLElement[], at: number): number | null {
  const top = cards[0]!.offsetTop;
  const next = cards.findIndex((card) => card.offsetTop !== top);
  const columns = next < 0 ? cards.length : next;
  switch (key) {
    case "ArrowRight": return at + 1;
    case "ArrowLeft": return at - 1;
    case "ArrowDown": return at + columns < cards.length ? at + columns : at;
    case "ArrowUp": return at - columns >= 0 ? at - columns : at;
    case "Home": return 0;
    case "End": return cards.length - 1;
    default: return null;
  }
}

/** Where the focus was on a card that has gone, it goes to the card in its place. */
export function useKeptFocus(list: RefObject<HTMLElement | null>, ids: string[]): void {
  const held = useRef<{ id: string; place: number } | null>(null);
  useLayoutEffect(() => {
    const was = held.current;
    if (was && list.current && !ids.includes(was.id) && document.activeElement === document.body) {
      const cards = cardsOf(list.current);
      focus(cards[Math.min(was.place, cards.length - 1)]);
    }
    held.current = null;
    const card = document.activeElement?.closest<HTMLElement>("[data-card]");
    if (card && list.current?.contains(card)) hold(card);
  });
  const hold = (card: HTMLElement) => (held.current = { id: card.dataset["card"]!, place: cardsOf(list.current!).indexOf(card) });
  useLayoutEffect(() => {
    const notice = (event: FocusEvent) => {
      const card = (event.target as HTMLElement).closest<HTMLElement>("[data-card]");
      held.current = null;
      if (card && list.current?.contains(card)) hold(card);
    };
    document.addEventListener("focusin", notice);
    return () => document.removeEventListener("focusin", notice);
  }, []);
}
