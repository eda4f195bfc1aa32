import { useEffect, useState } from "preact/hooks";
import { Trouble } from "../parts/Trouble";
import { useTold, type Overview } from "./api";
import { age, count, Curves, ms, Name, Panel, percent, Scroll, Share, Tile, Waiting } from "./figures";

const SECONDS = 3;
const KEPT = 60;
const roomy = matchMedia("(min-width: 760px)");
const STAGES: Record<string, string> = { fetch: "read the user", user_tower: "user tower", retrieve: "retrieve", rank: "rank", post: "arrange" };

/** When it was looked, in seconds, and how many answers there had been. */
type Look = [number, number];

/** Requests per second between each two looks since the page was opened. */
function useRate(told: Overview | null): [number, number][] {
  const [looks, grow] = useState<Look[]>([]);
  useEffect(() => {
    if (told) grow((old) => [...old.slice(-KEPT), [performance.now() / 1000, told.answers]]);
  }, [told]);
  return looks.slice(1).map(([at, answers], place) => {
    const [then, before] = looks[place]!;
    return [at, Math.max(answers - before, 0) / (at - then)];
  });
}

function Stages({ stages }: { stages: Overview["stages"] }) {
  const longest = Math.max(...stages.map((one) => one.p99_ms ?? 0), 0.01);
  const width = (value: number | null) => ({ width: `${((value ?? 0) / longest) * 100}%` });
  return (
    <Scroll label="Stages"><table class="stages">
      <thead><tr><th>Stage</th><th class="chart"><span class="key p50">half</span><span class="key p95">95 %</span><span class="key p99">99 % are faster</span></th><th>p50</th><th>p95</th><th>p99</th></tr></thead>
      <tbody>
        {stages.map((one) => (
          <tr key={one.stage}>
            <th scope="row">{STAGES[one.stage] ?? one.stage}</th>
            <td class="chart"><span class="whisker" aria-hidden="true"><i class="p99" style={width(one.p99_ms)} /><i class="p95" style={width(one.p95_ms)} /><i class="p50" style={width(one.p50_ms)} /></span></td>
            <td>{ms(one.p50_ms)}</td><td>{ms(one.p95_ms)}</td><td>{ms(one.p99_ms)}</td>
          </tr>
        ))}
      </tbody>
    </table></Scroll>
  );
}

/** Of what was shown, the share of each tenth of the items, the most popular ones first. */
function Popularity({ tenths }: { tenths: number[] }) {
  const most = Math.max(...tenths, 0.01);
  return (
    <div class="tenths" role="img" aria-label={`Shares of what was shown, by tenth of popularity: ${tenths.map((one) => percent(one, 0)).join(", ")}`}>
      {tenths.map((one, place) => (
        <span key={place} title={`${place + 1}. tenth: ${percent(one)}`}><b>{one >= 0.005 ? percent(one, 0) : ""}</b><i style={{ height: `${(one / most) * 100}%` }} /></span>
      ))}
    </div>
  );
}

export function OverviewPage() {
  const { data, failure, again } = useTold<Overview>("/v1/admin/overview", SECONDS);
  const rate = useRate(data);
  if (failure && !data) return <Trouble failure={failure} again={again} />;
  if (!data) return <Waiting />;
  const list = data.routes.find((one) => one.route.endsWith("/recommendations") && one.route.startsWith("/v1/users"));
  const lately = `the last ${age(data.window_seconds)}`;
  // What asks whether the service is ready is refused while it is not; that is no error.
  const counted = data.routes.filter((one) => !one.route.startsWith("/health"));
  const errors = counted.reduce((sum, one) => sum + one.errors, 0);
  const requests = counted.reduce((sum, one) => sum + one.requests, 0);
  const { accepted = 0, rejected = 0 } = data.events;
  const worse = Object.entries(data.degraded).filter(([, times]) => times > 0);
  const { shown, data: health } = data;
  return (
    <>
      {failure && <Trouble failure={failure} again={again} />}
      <dl class="tiles">
        <Tile name="Requests" value={data.routes.reduce((sum, one) => sum + one.per_second, 0).toFixed(1)} note={`per second, of ${lately}`} />
        <Tile name="A recommendation takes" value={`${ms(list?.p95_ms ?? null)} ms`} note="or less, 95 times of 100" />
        <Tile name="Errors" value={requests ? percent(errors / requests, 2) : "–"} note={`${count(errors)} of ${count(requests)} answers`} bad={errors > requests / 100} />
        <Tile name="Interactions" value={count(accepted)} note={rejected ? `${count(rejected)} refused` : "taken in since the start"} />
        <Tile name="Age of the model" value={age(data.model_age_seconds)} note={data.model_version} />
        <Tile name="A new item is found after" value={data.freshness.lag_seconds === null ? "–" : age(data.freshness.lag_seconds)} note={`${count(data.freshness.new_items)} came since the training`} />
        <Tile name="Workers" value={String(data.workers)} note={data.workers === 1 ? "process answers" : "processes answer"} />
      </dl>
      <div class="panels overview">
        <div class="stack">
          <Panel title="Requests per second" says={`One point every ${SECONDS} seconds`}>
            {rate.length > 1 ? <Curves label="Requests per second" lines={[{ name: "all routes", points: rate }]} ends={[`${age(rate.at(-1)![0] - rate[0]![0])} ago`, "now"]} wide={roomy.matches} zero /> : <p class="none first-look">The line begins in {2 * SECONDS} seconds.</p>}
          </Panel>
          <Panel title="A recommendation, by stage" says={`Milliseconds, of ${lately}`}>
            {data.stages.some((one) => one.count) ? <Stages stages={data.stages} /> : <p class="none">Nobody was recommended to lately.</p>}
          </Panel>
          {health && (
            <Panel title="Data" says={`${count(health.interactions)} interactions, of which the model was made`}>
              <ul class="share-rows">
                <Share name="items without a text" part={health.without_text} whole={health.items} />
                <Share name="items without a picture" part={health.without_image} whole={health.items} />
                <Share name="items that nobody took" part={health.cold_items} whole={health.items} />
                <Share name="items that are hidden" part={health.items - health.available} whole={health.items} />
                <Share name="users without a history" part={health.cold_users} whole={health.users} />
              </ul>
            </Panel>
          )}
        </div>
        <div class="stack">
          {shown ? (
            <Panel title="What was shown" says={`${count(shown.impressions)} ${shown.impressions === 1 ? "list" : "lists"} in ${shown.days === 1 ? "a day" : `${shown.days} days`}`}>
              {shown.impressions ? (
                <>
                  <dl class="pairs">
                    <div><dt>of all items, shown at least once</dt><dd>{percent(shown.coverage)}</dd></div>
                    <div><dt>Gini of the counts (0 even, 1 one item)</dt><dd>{shown.gini?.toFixed(3) ?? "–"}</dd></div>
                  </dl>
                  <h3>By popularity</h3>
                  <Popularity tenths={shown.by_popularity} />
                  <p class="axis"><span>most popular tenth of the items</span><span>least popular</span></p>
                  <h3>Shown most</h3>
                  <ol class="top-shown">{shown.top.slice(0, 8).map((one) => <li key={one.item_id}><Name item={one} /><b>{count(one.count)}</b></li>)}</ol>
                </>
              ) : <p class="none">No list was kept yet; a sample of what is shown is.</p>}
            </Panel>
          ) : <Panel title="What was shown"><p class="none">The database does not answer.</p></Panel>}
          <Panel title="Done without" says="Answers marked degraded since the start">
            {worse.length ? <ul class="plain">{worse.map(([part, times]) => <li key={part}><span>{part.replaceAll("_", " ")}</span><b>{count(times)}</b></li>)}</ul> : <p class="none">Nothing has failed.</p>}
          </Panel>
        </div>
        <Panel title="Routes" says={`Milliseconds, of ${lately}`} wide>
          <Scroll label="Routes">
            <table>
              <thead><tr><th>Route</th><th>answers</th><th>per second</th><th>errors</th><th>p50</th><th>p95</th><th>p99</th></tr></thead>
              <tbody>
                {data.routes.filter((one) => one.requests).sort((a, b) => b.requests - a.requests).map((one) => (
                  <tr key={one.method + one.route}>
                    <th scope="row"><code>{one.method} {one.route}</code></th>
                    <td>{count(one.requests)}</td><td>{one.per_second.toFixed(2)}</td><td>{count(one.errors)}</td><td>{ms(one.p50_ms)}</td><td>{ms(one.p95_ms)}</td><td>{ms(one.p99_ms)}</td>
                  </tr>
                ))}
              </tbody>
            </table>
          </Scroll>
        </Panel>
      </div>
    </>
  );
}
