import "../parts/base.css";
import "./shop.css";
import { render } from "preact";
import { useState } from "preact/hooks";
import { Icon } from "../parts/Icon";
import "../parts/theme";
import { Degraded, Trouble } from "../parts/Trouble";
import { AddItem } from "./AddItem";
import { Cards } from "./Cards";
import { DeskPanel } from "./DeskPanel";
import { Detail } from "./Detail";
import { Header } from "./Header";
import { Hero } from "./Hero";
import { People } from "./People";
import { Rows } from "./Rows";
import { recommend, search } from "./lists";
import { dataset, desk, found, hidden, opened, opening, picture, searching, shelf, user, words } from "./state";
import { begin } from "./visit";
import { Toasts } from "./toasts";

const wide = matchMedia("(min-width: 1000px)");

function Recommended() {
  const { entries, loading, failure, degraded, latency } = shelf.value;
  const { category, by } = desk.value;
  return (
    <section class="list" id="list" tabIndex={-1} aria-labelledby="list-title">
      <header>
        <h2 id="list-title">{category ? `${category}, for ${user.value}` : by === "mix" ? "By your own mix" : "Recommended"}</h2>
        {entries && !failure && <p class="latency">in {latency.toFixed(latency < 10 ? 1 : 0)} ms <a href={`/admin#inspect/${encodeURIComponent(user.value)}`}>how it was made</a></p>}
      </header>
      <Degraded reasons={degraded} />
      {failure ? <Trouble failure={failure} again={() => void recommend()} />
        : entries?.length === 0 && !loading ? <p class="none">Nothing is left to recommend{category ? ` of ${category}` : ""}.</p>
        : <Cards label="Recommendations" entries={entries} reasons busy={loading} />}
    </section>
  );
}

function Found() {
  const { entries, loading, failure, degraded, expanded, fallback } = found.value;
  const besides = [...new Set(Object.values(expanded).flat())];
  const shown = entries?.filter((one) => !hidden.value.has(one.item_id)) ?? null;
  const name = picture.value ? "What looks like your picture" : fallback ? "Trending instead" : `Found for “${words.value.trim()}”`;
  return (
    <section class="list" id="list" tabIndex={-1} aria-labelledby="found-title">
      <header><h2 id="found-title">{name}</h2></header>
      {fallback && <p class="besides">Nothing matches “{words.value.trim()}”. This is what others take just now.</p>}
      {!fallback && besides.length > 0 && <p class="besides">Searched besides: {besides.join(", ")}</p>}
      <Degraded reasons={degraded} />
      {failure ? <Trouble failure={failure} again={() => void search()} />
        : shown?.length === 0 && !loading ? <p class="none">Nothing matches. Other words may; the description of an item is searched too.</p>
        : <Cards label="Search results" entries={shown} busy={loading} />}
    </section>
  );
}

function App() {
  const [dialog, show] = useState<"people" | "add" | null>(null);
  const people = () => show("people");
  if (opening.value)
    return (
      <>
        <Header onPeople={people} onAdd={() => null} />
        <main class="opening"><Trouble failure={opening.value} again={() => void begin()} /></main>
      </>
    );
  return (
    <>
      <Header onPeople={people} onAdd={() => show("add")} />
      <Hero onPeople={people} />
      <main class="shop">
        <details class="tune" open={wide.matches}>
          <summary><Icon name="sliders" />Tune the list<Icon name="chevron" /></summary>
          <DeskPanel />
        </details>
        <div class="lists">
          {dataset.value && (searching.value ? <Found /> : <Recommended />)}
          {dataset.value && !searching.value && <Rows />}
        </div>
      </main>
      <footer class="foot">
        <p>{dataset.value ? <>{dataset.value.title}: {dataset.value.items.toLocaleString("en")} items, {dataset.value.users.toLocaleString("en")} users, model {dataset.value.model_version}</> : " "}</p>
        <p><a href="/docs">HTTP routes</a> · <a href="/admin">Control room</a></p>
      </footer>
      {opened.value && <Detail entry={opened.value} />}
      {dialog === "people" && <People onClose={() => show(null)} />}
      {dialog === "add" && <AddItem onClose={() => show(null)} />}
      <Toasts />
    </>
  );
}

render(<App />, document.getElementById("app")!);
void begin();
