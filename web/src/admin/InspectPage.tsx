import { useState } from "preact/hooks";
import { pictureOf } from "../parts/Picture";
import { ShareBar } from "../parts/Shares";
import { Trouble } from "../parts/Trouble";
import { sourceName } from "../shop/sources";
import { useTold, type Inspection } from "./api";
import { count, moment, ms, Panel, percent, Waiting } from "./figures";

const Name = ({ id, title }: { id: string; title: string }) => (
  <span class="item-name"><img src={pictureOf(id)} alt="" loading="lazy" onError={(event) => (event.currentTarget.style.visibility = "hidden")} /><span>{title || id}</span></span>
);

const number = (value: number | null): string => (value === null ? "–" : Number.isInteger(value) ? count(value) : value.toFixed(3));

/** One recommendation, stage by stage. */
export function InspectPage({ first }: { first: string }) {
  const [typed, type] = useState(first);
  const [who, ask] = useState(first);
  const { data, failure, again } = useTold<Inspection>(who ? `/v1/admin/inspect?${new URLSearchParams({ user_id: who, limit: "12" })}` : null);
  return (
    <>
      <form class="bar-above" onSubmit={(event) => (event.preventDefault(), ask(typed.trim()), again())}>
        <label class="field inline"><span>User</span><input required value={typed} onInput={(event) => type(event.currentTarget.value)} /></label>
        <button type="submit" class="primary">Look</button>
      </form>
      {!who ? <p class="none">Give the id of a user, known or not.</p>
        : failure ? <Trouble failure={failure} again={again} />
        : !data || data.user_id !== who ? <Waiting />
        : <Stages told={data} />}
    </>
  );
}

function Stages({ told }: { told: Inspection }) {
  const { recommend, ...alone } = told.milliseconds;
  return (
    <>
      <p class="told-who">
        <b>{told.user_id}</b> {told.known ? "is known" : "is a stranger"}{told.cold ? ", without a history" : ""}.
        Model {told.model_version}; {ms(recommend ?? null)} ms for the whole list{told.degraded.length > 0 && <>, without {told.degraded.join(", ")}</>}.
      </p>
      <div class="panels">
        <Panel title="1. What they did" says="Latest first">
          {told.history.length ? <ol class="plain">{told.history.slice(0, 12).map((one) => <li key={one.item_id + one.timestamp}><Name id={one.item_id} title={one.title} /><small>{one.type} · {moment(one.timestamp)}</small></li>)}</ol> : <p class="none">Nothing.</p>}
        </Panel>
        <Panel title="2. Nearest to their vector" says="Before anything is filtered">
          <ol class="plain">{told.neighbours.slice(0, 12).map((one) => <li key={one.item_id} class={one.filtered ? "filtered" : ""}><Name id={one.item_id} title={one.title} />{one.filtered && <em>{one.filtered}</em>}<b>{number(one.similarity)}</b></li>)}</ol>
        </Panel>
        <Panel title="3. Candidates by source" says={`On the list, of those proposed; left out: ${Object.entries(told.filtered).map(([why, times]) => `${count(times)} ${why}`).join(", ")}`}>
          <ul class="sources">
            {told.sources.map((one) => (
              <li key={one.source}>
                <details>
                  <summary><span>{sourceName(one.source)}</span><small>{percent(one.share, 0)} of the pool{alone[one.source] !== undefined && ` · ${ms(alone[one.source]!)} ms`}</small><b title="on the list, of those proposed">{count(one.taken)} / {count(one.proposed)}</b></summary>
                  <ol class="plain">{one.items.slice(0, 8).map((item) => <li key={item.item_id}><Name id={item.item_id} title={item.title} /><b>{number(item.score)}</b></li>)}</ol>
                </details>
              </li>
            ))}
          </ul>
        </Panel>
        <Panel title="4. The list" says="Score, where it came from, and what speaks for it" wide>
          <ol class="final">
            {told.items.map((one, place) => (
              <li key={one.item_id}>
                <span class="rank">{place + 1}</span>
                <Name id={one.item_id} title={one.title} />
                <span class="because-of">{one.like[0] ? <>like <b>{one.like[0].title || one.like[0].item_id}</b> {one.like[0].similarity.toFixed(2)}</> : "–"}</span>
                {one.shares ? <ShareBar shares={one.shares} /> : <span class="shares bare" />}
                <span class="source">{sourceName(one.source)}</span>
                <span class="number" title="cosine with the user's vector">{number(one.similarity)}</span>
                <b class="number">{number(one.score)}</b>
              </li>
            ))}
          </ol>
        </Panel>
      </div>
    </>
  );
}
