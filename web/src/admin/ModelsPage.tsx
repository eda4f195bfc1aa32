import { useState } from "preact/hooks";
import { asFailure } from "../api";
import { Dialog } from "../parts/Dialog";
import { Trouble } from "../parts/Trouble";
import { toast } from "../shop/toasts";
import { act, measured, useTold, type Registry, type Version } from "./api";
import { count, groupName, inOrder, measure, moment, Scroll, Waiting } from "./figures";

const SHOWN = 5;

/** What is about to be done, and to which version. */
type Step = { what: "promote"; version: Version } | { what: "rollback" };

const written = (value: number): string => (Number.isInteger(value) ? count(value) : value.toFixed(4));

/** Of which measures less is better. */
const LESS = /loss|rmse|mae|error|brier|drift|gini/i;

/** How far a figure lies from that of the version that answers. */
function Apart({ name, value, from }: { name: string; value: number | undefined; from: number | undefined }) {
  if (value === undefined) return <td class="absent">–</td>;
  const apart = from ? (value - from) / Math.abs(from) : 0;
  return <td>{written(value)}{Math.abs(apart) >= 0.0005 && <small class={apart > 0 === LESS.test(name) ? "worse" : "better"}>{apart > 0 ? "+" : "−"}{Math.abs(apart * 100).toFixed(1)} %</small>}</td>;
}

export function ModelsPage() {
  const { data, failure, again } = useTold<Registry>("/v1/models", 5);
  const [step, plan] = useState<Step | null>(null);
  const [all, showAll] = useState(false);
  if (failure && !data) return <Trouble failure={failure} again={again} />;
  if (!data) return <Waiting />;
  if (!data.models.length) return <p class="none">No version was built yet: <code>towerbridge build</code> makes one.</p>;
  const newest = [...data.models].reverse();
  const serving = newest.find((one) => one.version === data.promoted);
  // The one that answers comes first, so that whatever is beside it can be compared with it.
  const ordered = serving ? [serving, ...newest.filter((one) => one !== serving)] : newest;
  const shown = all ? ordered : ordered.slice(0, SHOWN);
  const figures = new Map(shown.map((one) => [one.version, measured(one.metrics)]));
  const groups = inOrder(shown.flatMap((one) => [...figures.get(one.version)!.keys()]));
  const measures = (group: string) => [...new Set(shown.flatMap((one) => [...(figures.get(one.version)!.get(group)?.keys() ?? [])]))];
  const base = serving && figures.get(serving.version);
  return (
    <>
      <div class="bar-above">
        <p>{data.dataset}: {count(data.models.length)} versions{data.answering !== data.promoted && !data.refused && <>; <b>{data.promoted}</b> is being opened</>}</p>
        {ordered.length > shown.length && <button type="button" onClick={() => showAll(true)}>Show all</button>}
        <button type="button" onClick={() => plan({ what: "rollback" })} disabled={!data.models.some((one) => one.state === "retired")}>Roll back</button>
      </div>
      {data.refused && <p class="refusal" role="alert"><b>{data.refused.version}</b> is promoted but was refused, so {data.answering ?? "none"} answers: {data.refused.reason}</p>}
      <Scroll label="Versions" name="versions">
        <table>
          <caption class="visually-hidden">Versions side by side: the one that answers, then the newest first; differences are from the one that answers</caption>
          <thead>
            <tr>
              <td />
              {shown.map((one) => (
                <th key={one.version} scope="col" class={one === serving ? "serving" : ""}>
                  <span class={`state ${one.state}`}>{one.version === data.answering ? "answering" : one.state}</span>
                  <code>{one.version}</code>
                  <small>{moment(one.created)}</small>
                  {one !== serving && one.created && <button type="button" onClick={() => plan({ what: "promote", version: one })}>Promote</button>}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {(["items", "users", "interactions"] as const).map((name) => (
              <tr key={name}><th scope="row">{name}</th>{shown.map((one) => <td key={one.version}>{one.counts?.[name] === undefined ? "–" : count(one.counts[name])}</td>)}</tr>
            ))}
            <tr><th scope="row">ordered by</th>{shown.map((one) => <td key={one.version}>{one.rank_by ?? "–"}</td>)}</tr>
            <tr class="story">
              <th scope="row">story</th>
              {shown.map((one) => (
                <td key={one.version}>
                  {one.reason && <p>{one.reason}</p>}
                  <ol>{one.changes.map((change) => <li key={change.at + change.state}><b>{change.state}</b> {moment(change.at)}{change.by && `, by ${change.by}`}{change.reason && change.reason !== one.reason && ` (${change.reason})`}</li>)}</ol>
                </td>
              ))}
            </tr>
            {groups.map((group) => [
              <tr key={group} class="group"><th scope="rowgroup" colSpan={shown.length + 1}>{groupName(group)}</th></tr>,
              ...measures(group).map((name) => (
                <tr key={`${group} ${name}`}>
                  <th scope="row">{measure(name)}</th>
                  {shown.map((one) => <Apart key={one.version} name={name} value={figures.get(one.version)!.get(group)?.get(name)} from={one === serving ? undefined : base?.get(group)?.get(name)} />)}
                </tr>
              )),
            ])}
          </tbody>
        </table>
      </Scroll>
      {step && <Confirm step={step} serving={data.promoted} onClose={() => plan(null)} onDone={again} />}
    </>
  );
}

function Confirm({ step, serving, onClose, onDone }: { step: Step; serving: string | null; onClose: () => void; onDone: () => void }) {
  const [busy, wait] = useState(false);
  const [refused, refuse] = useState("");
  const title = step.what === "rollback" ? "Roll back?" : `Promote ${step.version.version}?`;
  const go = async () => {
    wait(true);
    try {
      const path = step.what === "rollback" ? "/v1/models/rollback" : `/v1/models/${encodeURIComponent(step.version.version)}/promote`;
      const answer = await act<{ version: string; before: string | null }>(path);
      toast(`${answer.version} answers now${answer.before ? `, ${answer.before} did before` : ""}.`);
      onDone();
      onClose();
    } catch (error) {
      refuse(asFailure(error).message);
      wait(false);
    }
  };
  return (
    <Dialog title={title} onClose={onClose}>
      <h2>{title}</h2>
      <p>
        {step.what === "rollback" ? "The version that served before will be opened" : "It will be opened"}, its probes replayed, and every worker switches between two
        requests; none is refused. {serving && <><b>{serving}</b> goes on if it does not verify.</>}
      </p>
      {refused && <p class="wrong" role="alert">{refused}</p>}
      <div class="dialog-foot">
        <button type="button" onClick={onClose}>Leave it</button>
        <button type="button" class="primary" disabled={busy} onClick={() => void go()}>{busy ? "Opening it…" : step.what === "rollback" ? "Roll back" : "Promote"}</button>
      </div>
    </Dialog>
  );
}
