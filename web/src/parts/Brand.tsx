import { Icon } from "./Icon";
import { isDark, theme, toggle } from "./theme";

export const Brand = () => (
  <a class="brand" href="/" aria-label="Towerbridge">
    <Icon name="bridge" />
    <span>Towerbridge</span>
  </a>
);

export const ThemeButton = () => (
  <button type="button" class="quiet round" onClick={toggle} aria-label={isDark() ? "Use light colours" : "Use dark colours"} key={theme.value}>
    <Icon name={isDark() ? "sun" : "moon"} />
  </button>
);
