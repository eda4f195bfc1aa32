// Light or dark: as the system says, until somebody says otherwise.
import { signal } from "@preact/signals";

export type Theme = "system" | "light" | "dark";
const KEY = "towerbridge.theme";
const stored = localStorage.getItem(KEY);
export const theme = signal<Theme>(stored === "light" || stored === "dark" ? stored : "system");

theme.subscribe((now) => {
  if (now === "system") {
    localStorage.removeItem(KEY);
    delete document.documentElement.dataset["theme"];
  } else {
    localStorage.setItem(KEY, now);
    document.documentElement.dataset["theme"] = now;
  }
});

const dark = matchMedia("(prefers-color-scheme: dark)");

export const isDark = (): boolean => theme.value === "dark" || (theme.value === "system" && dark.matches);

/** The other one; where that is what the system says, the system is followed again. */
export function toggle(): void {
  const wanted = isDark() ? "light" : "dark";
  theme.value = (wanted === "dark") === dark.matches ? "system" : wanted;
}
