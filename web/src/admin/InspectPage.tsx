import { useState } from "preact/hooks";
import { NAMES, PARTS, ShareBar } from "../parts/Shares";
import { Trouble } from "../parts/Trouble";
import { sourceName } from "../shop/sources";
import { useTold, type Inspection } from "./api";
import { count, moment, ms, Name, Panel, percent, Scroll, Waiting } from "./figures";

const SHOWN = 12;

const number = (value: number | null): string => (value === null ? "–" : Number.isInteger(value) ? count(value) : value.toFixed(3));

/** One recommendation, stage by stage. */
export function InspectPage({ first }: { first: string }) {
  const [typed, type] = useState(first);
  const [who, ask] = useState(first);
  const { data, failure, again } = useTold<Inspection>(who ? `/v1/admin/inspect?${new URLSearchParams({ user_id: who, limit: String(SHOWN) })}` : null);
  return (
    <>
      <form class="bar-above" onSubmit={(event) => (event.preventDefault(), ask(typed.trim()), again())}>
        <label class="field inline"><span>User</span><input required value={typed} onInput={(event) => type(event.currentTarget.value)} /></label>
        <button type="submit" class="primary">Look</button>
      </form>
      {!who ? <p class="none">Give the id of a user, known or not, to see what their list is made of.</p>
        : failure ? <Trouble failure={failure} again={again} />
        : !data || data.user_id !== who ? <Waiting />
        : <Stages told={data} />}
    </>
  );
}

/** How many items are left after each stage. */
function Funnel({ told }: { told: Inspection }) {
  const left = told.catalogue - Object.values(told.filtered).reduce((sum, one) => sum + one, 0);
  const why = Object.entries(told.filtered).map(([reason, times]) => `${count(times)} ${reason}`).join(", ");
  const asked = told.sources.filter((one) => one.share > 0).length;
  return (
    <ol class="funnel">
      <li><b>{count(told.catalogue)}</b> items in the catalogue</li>
      <li><b>{count(Math.max(left, 0))}</b> may be shown; left out: {why}</li>
      <li><b>{count(told.pool)}</b> candidates of {asked === 1 ? "one source" : `${asked} sources`}</li>
      <li><b>{count(told.items.length)}</b> on the list</li>
    </ol>
  );
}

function Stages({ told }: { told: Inspection }) {
  const { recommend, ...alone } = told.milliseconds;
  const sources = [...told.sources].sort((a, b) => b.share - a.share);
  return (
    <>
      <p class="told-who">
        User <b>{told.user_id}</b> {told.known ? "is known" : "is a stranger"}{told.cold ? ", without a history" : ""}.
        Model {told.model_version} made the list in {ms(recommend ?? null)} ms{told.degraded.length > 0 && <>, without {told.degraded.join(", ")}</>}.
      </p>
      <Funnel told={told} />
      <div class="panels thirds">
        <Panel title="1. What they did" says="Latest first">
          {told.history.length ? <ol class="plain">{told.history.slice(0, SHOWN).map((one) => <li key={one.item_id + one.timestamp}><Name item={one} /><small>{one.type} · {moment(one.timestamp)}</small></li>)}</ol> : <p class="none">Nothing.</p>}
        </Panel>
        <Panel title="2. Nearest to their vector" says="By inner product, before anything is left out">
          <ol class="plain">{told.neighbours.slice(0, SHOWN).map((one) => <li key={one.item_id} class={one.filtered ? "filtered" : ""}><Name item={one} />{one.filtered && <em>{one.filtered}</em>}<b>{number(one.similarity)}</b></li>)}</ol>
        </Panel>
        <Panel title="3. Candidates by source" says="On the list, of those proposed">
          <ul class="sources">
            {sources.map((one, place) => (
              <li key={one.source}>
                <details open={place === 0}>
                  <summary><span>{sourceName(one.source)}</span><small>{percent(one.share, 0)} of the pool{alone[one.source] !== undefined && ` · ${ms(alone[one.source]!)} ms`}</small><b>{count(one.taken)} / {count(one.proposed)}</b></summary>
                  {one.items.length ? <ol class="plain">{one.items.slice(0, 6).map((item) => <li key={item.item_id}><Name item={item} /><b>{number(item.score)}</b></li>)}</ol> : <p class="none">It proposes nothing.</p>}
                </details>
              </li>
            ))}
          </ul>
        </Panel>
        <Panel title="4. The list" says="In percent what speaks for an item; the towers’ inner product; the score that orders" wide>
          <FinalList items={told.items} />
        </Panel>
      </div>
    </>
  );
}

const FinalList = ({ items }: { items: Inspection["items"] }) => (
  <Scroll label="The list">
    <table class="final">
      <thead>
        <tr>
          <th class="rank">#</th><th class="words">item</th><th class="words like">most like, of what they took</th>
          <th class="bar">what speaks for it</th>
          {PARTS.map((part) => <th key={part} class="part"><span class={`dot ${part}`} aria-hidden="true" />{NAMES[part]}</th>)}
          <th class="words from">from</th><th class="towers">towers</th><th>score</th>
        </tr>
      </thead>
      <tbody>
        {items.map((one, place) => (
          <tr key={one.item_id}>
            <td class="rank">{place + 1}</td>
            <th scope="row" class="words"><Name item={one} /></th>
            <td class="words like">{one.like[0] ? <span><b>{one.like[0].title || one.like[0].item_id}</b> <small>{one.like[0].similarity.toFixed(2)}</small></span> : "–"}</td>
            <td class="bar">{one.shares ? <ShareBar shares={one.shares} /> : "–"}</td>
            {PARTS.map((part) => <td key={part} class="part">{one.shares ? Math.round(one.shares[part] * 100) : "–"}</td>)}
            <td class="words from">{sourceName(one.source)}</td>
            <td class="towers">{number(one.similarity)}</td>
            <td><b>{number(one.score)}</b></td>
          </tr>
        ))}
      </tbody>
    </table>
  </Scroll>
);
