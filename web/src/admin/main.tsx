import "../parts/base.css";
import "./admin.css";
import { signal } from "@preact/signals";
import { render } from "preact";
import { useState } from "preact/hooks";
import { asFailure, type Failure } from "../api";
import { Brand, ThemeButton } from "../parts/Brand";
import "../parts/theme";
import { Trouble } from "../parts/Trouble";
import { Toasts } from "../shop/toasts";
import { admitted, enter, key, leave, refusal } from "./api";
import { InspectPage } from "./InspectPage";
import { MapPage } from "./MapPage";
import { ModelsPage } from "./ModelsPage";
import { OverviewPage } from "./OverviewPage";
import { RunsPage } from "./RunsPage";

const PAGES = { overview: "Overview", models: "Models", map: "Map", inspect: "Inspect", runs: "Runs" } as const;
type Name = keyof typeof PAGES;

/** `#inspect/17` is the page that inspects user 17. */
const place = (): [Name, string] => {
  const [name, ...rest] = decodeURIComponent(location.hash.slice(1)).split("/");
  return [name && name in PAGES ? (name as Name) : "overview", rest.join("/")];
};
const at = signal(place());
addEventListener("hashchange", () => (at.value = place()));
const trouble = signal<Failure | null>(null);

const knock = (given: string): Promise<void> => {
  trouble.value = null;
  return enter(given).catch((error: unknown) => void (trouble.value = asFailure(error)));
};

function Gate() {
  const [given, type] = useState("");
  return (
    <main class="gate">
      <form onSubmit={(event) => (event.preventDefault(), void knock(given))}>
        <h1>Control room</h1>
        <p>{key.value ? "That key does not open it." : refusal.value}</p>
        <label class="field">
          <span>Admin key</span>
          <input type="password" autoComplete="off" autoFocus required value={given} onInput={(event) => type(event.currentTarget.value)} />
        </label>
        <button type="submit" class="primary">Enter</button>
        <p class="hint">It is kept in this tab until you close it, and sent with each question to this service alone.</p>
      </form>
    </main>
  );
}

function App() {
  const [name, rest] = at.value;
  const inside = admitted.value;
  return (
    <>
      <header class="top">
        <Brand />
        {inside && (
          <nav aria-label="Pages">
            {(Object.keys(PAGES) as Name[]).map((one) => <a key={one} href={`#${one}`} aria-current={one === name ? "page" : undefined}>{PAGES[one]}</a>)}
          </nav>
        )}
        <div class="top-actions">
          <a class="quiet labelled" href="/">Storefront</a>
          <ThemeButton />
          {inside && key.value && <button type="button" class="quiet" onClick={leave}>Leave</button>}
        </div>
      </header>
      {trouble.value ? <main class="room"><Trouble failure={trouble.value} again={() => void knock(key.peek())} /></main>
        : !inside ? <Gate />
        : (
          <main class="room">
            <h1>{PAGES[name]}</h1>
            {name === "overview" && <OverviewPage />}
            {name === "models" && <ModelsPage />}
            {name === "map" && <MapPage />}
            {name === "inspect" && <InspectPage first={rest} key={rest} />}
            {name === "runs" && <RunsPage />}
          </main>
        )}
      <Toasts />
    </>
  );
}

render(<App />, document.getElementById("app")!);
