import { useLayoutEffect, useRef } from "preact/hooks";
import type { RefObject } from "preact";

const still = matchMedia("(prefers-reduced-motion: reduce)");
const CURVE = "cubic-bezier(.2,.8,.2,1)";

/** Lets the cards of a list glide to where they are now, and new ones rise; not for those who want stillness. */
export function useGlide(list: RefObject<HTMLElement | null>, keys: string): void {
  const before = useRef(new Map<string, DOMRect>());
  useLayoutEffect(() => {
    const old = before.current;
    const now = new Map<string, DOMRect>();
    for (const card of list.current?.querySelectorAll<HTMLElement>("[data-card]") ?? []) {
      const key = card.dataset["card"]!;
      card.getAnimations().forEach((one) => one.cancel());
      const place = card.getBoundingClientRect();
      now.set(key, place);
      if (still.matches || old.size === 0) continue;
      const from = old.get(key);
      if (from === undefined) {
        card.animate([{ opacity: 0, transform: "translateY(14px) scale(.97)" }, {}], { duration: 380, easing: CURVE });
      } else if (from.left !== place.left || from.top !== place.top) {
        const shift = `translate(${from.left - place.left}px, ${from.top - place.top}px)`;
        card.animate([{ transform: shift }, {}], { duration: 420, easing: CURVE });
      }
    }
    before.current = now;
  }, [keys]);
}
