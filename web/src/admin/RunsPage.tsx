import { Trouble } from "../parts/Trouble";
import { measured, useTold, type Runs } from "./api";
import { Curves, groupName, inOrder, measure, moment, Panel, Scroll, Waiting, type Line } from "./figures";

type Run = Runs["runs"][number];

/** Each number of the steps of a fit as a line over its epochs. */
function lines(steps: Record<string, number | null>[]): Line[] {
  const names = [...new Set(steps.flatMap((one) => Object.keys(one)))].filter((name) => name !== "epoch");
  return names
    .map((name) => ({
      name: name.replaceAll("_", " "),
      points: steps.flatMap((one, place): [number, number][] => (typeof one[name] === "number" ? [[one["epoch"] ?? place, one[name]]] : [])),
    }))
    .filter((one) => one.points.length > 1);
}

/** What was measured against by what: a row for each model or source, a column for each measure. */
function Figures({ metrics }: { metrics: Run["metrics"] }) {
  const groups = measured(metrics);
  const measures = [...new Set([...groups.values()].flatMap((one) => [...one.keys()]))];
  if (!groups.size) return null;
  return (
    <Scroll label="Figures">
      <table>
        <thead><tr><th>measured</th>{measures.map((name) => <th key={name}>{measure(name)}</th>)}</tr></thead>
        <tbody>
          {inOrder(groups.keys()).map((group) => (
            <tr key={group}>
              <th scope="row">{groupName(group)}</th>
              {measures.map((name) => <td key={name} class={groups.get(group)!.has(name) ? "" : "absent"}>{groups.get(group)!.get(name)?.toFixed(4) ?? "–"}</td>)}
            </tr>
          ))}
        </tbody>
      </table>
    </Scroll>
  );
}

function Training({ run, open }: { run: Run; open: boolean }) {
  return (
    <section class="panel wide">
      <details open={open}>
        <summary><h2>{run.run}</h2><span>begun {moment(run.began)}, ended {moment(run.finished)}</span></summary>
        <div class="curve-grid">{Object.entries(run.curves).map(([name, steps]) => {
          // A loss and a measure live on scales of their own, so each has a picture of its own.
          return lines(steps).map((line) => (
            <div key={name + line.name} class="curve"><h3>{name.replaceAll("_", " ")}: {line.name}</h3><Curves label={`${name}, ${line.name}`} lines={[line]} unit=" epochs" /></div>
          ));
        })}</div>
        <Figures metrics={run.metrics} />
        {run.notes && <p class="hint">{Array.isArray(run.notes) ? run.notes.join(" ") : run.notes}</p>}
      </details>
    </section>
  );
}

export function RunsPage() {
  const { data, failure, again } = useTold<Runs>("/v1/admin/runs", 15);
  if (failure && !data) return <Trouble failure={failure} again={again} />;
  if (!data) return <Waiting />;
  return (
    <div class="panels">
      {data.jobs.length > 0 && (
        <Panel title="Jobs" says="What the schedule did" wide>
          <Scroll label="Jobs">
            <table class="words">
              <thead><tr><th>Job</th><th>begun</th><th>ended</th><th>outcome</th><th>detail</th></tr></thead>
              <tbody>{data.jobs.map((one) => <tr key={one.job + one.begun}><th scope="row">{one.job}</th><td>{moment(one.begun)}</td><td>{moment(one.ended)}</td><td>{one.outcome}</td><td class="prose">{one.detail}</td></tr>)}</tbody>
            </table>
          </Scroll>
        </Panel>
      )}
      {data.runs.length === 0 && <p class="none">No training has left a trace on this machine: <code>towerbridge train</code> makes one.</p>}
      {data.runs.map((run, place) => <Training key={run.run} run={run} open={place === 0} />)}
    </div>
  );
}
