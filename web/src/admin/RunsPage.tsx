import { Trouble } from "../parts/Trouble";
import { flat, useTold, type Runs } from "./api";
import { Curves, moment, Panel, Waiting, type Line } from "./figures";

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

export function RunsPage() {
  const { data, failure, again } = useTold<Runs>("/v1/admin/runs", 15);
  if (failure && !data) return <Trouble failure={failure} again={again} />;
  if (!data) return <Waiting />;
  return (
    <div class="panels">
      {data.jobs.length > 0 && (
        <Panel title="Jobs" says="What the schedule did" wide>
          <div class="scroll">
            <table class="words">
              <thead><tr><th>Job</th><th>begun</th><th>ended</th><th>outcome</th><th>detail</th></tr></thead>
              <tbody>{data.jobs.map((one) => <tr key={one.job + one.begun}><th scope="row">{one.job}</th><td>{moment(one.begun)}</td><td>{moment(one.ended)}</td><td>{one.outcome}</td><td class="prose">{one.detail}</td></tr>)}</tbody>
            </table>
          </div>
        </Panel>
      )}
      {data.runs.length === 0 && <p class="none">No training has left a trace under this home.</p>}
      {data.runs.map((run) => (
        <Panel key={run.run} title={run.run} says={`${moment(run.began)} to ${moment(run.finished)}`} wide>
          <div class="curve-grid">{Object.entries(run.curves).map(([name, steps]) => {
            // A loss and a measure live on scales of their own, so each has a picture of its own.
            return lines(steps).map((line) => (
              <div key={name + line.name} class="curve"><h3>{name.replaceAll("_", " ")}: {line.name}</h3><Curves label={`${name}, ${line.name}`} lines={[line]} unit=" epochs" /></div>
            ));
          })}</div>
          <dl class="pairs columns">{[...flat(run.metrics)].map(([name, value]) => <div key={name}><dt>{name.replaceAll("_", " ")}</dt><dd>{value.toPrecision(4)}</dd></div>)}</dl>
          {run.notes && <p class="hint">{Array.isArray(run.notes) ? run.notes.join(" ") : run.notes}</p>}
        </Panel>
      ))}
    </div>
  );
}
