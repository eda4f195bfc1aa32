import { Picture } from "../parts/Picture";
import { Badge } from "./Header";
import { categoryOf } from "./Card";
import { open } from "./deeds";
import { dataset, features, forgotten, history, user, type Deed } from "./state";

const told = (value: unknown): string => (Array.isArray(value) ? value.join(", ") : String(value));

const stars = (deed: Deed): string => (deed.value === null ? deed.type.replaceAll("_", " ") : `${deed.type} ${deed.value}`);

function Facts() {
  const kinds = dataset.value?.user_features ?? {};
  const known = Object.keys(kinds).flatMap((name) => {
    const value = features.value[name];
    return value === null || value === undefined ? [] : [[name, told(value)] as const];
  });
  if (!known.length) return <p class="hero-facts">Nothing is known but what they do.</p>;
  return (
    <dl class="hero-facts">
      {known.map(([name, value]) => (
        <div key={name}>
          <dt>{name.replaceAll("_", " ")}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}

/** Who looks, and what they did of late: one tower of the bridge, and the deck that leads to the list. */
export function Hero({ onPeople }: { onPeople: () => void }) {
  const deeds = history.value;
  return (
    <section class="hero" aria-label="Who looks">
      <svg class="cables" viewBox="0 0 1200 200" preserveAspectRatio="none" aria-hidden="true">
        <path d="M-40 60Q60 130 190 16Q620 330 1010 16Q1130 130 1240 60" />
        <path d="M190 16V200M1010 16V200" class="tower" />
        <path d={Array.from({ length: 19 }, (_, i) => {
          const t = (i + 1) / 20;
          const y = (1 - t) ** 2 * 16 + 2 * t * (1 - t) * 330 + t * t * 16;
          return `M${190 + 820 * t} ${y.toFixed(1)}V200`;
        }).join("")} class="hangers" />
      </svg>
      <div class="hero-who">
        <button type="button" class="hero-badge" onClick={onPeople} aria-label={`Change who looks, now ${user.value}`}>
          <Badge name={user.value} large />
        </button>
        <div>
          <h1><small>Picked for</small>{user.value}</h1>
          <Facts />
        </div>
      </div>
      <div class="hero-past">
        <h2 id="lately">Lately</h2>
        {deeds === null && forgotten.value ? (
          <p class="past-none">It cannot be read just now: {forgotten.value.message}</p>
        ) : deeds === null ? (
          <ul class="past" aria-busy="true" aria-labelledby="lately">
            {Array.from({ length: 10 }, (_, place) => <li key={place}><span class="past-item"><span class="picture coming" /></span></li>)}
          </ul>
        ) : deeds.length === 0 ? (
          <p class="past-none">Nothing yet. Like something below, and the list follows.</p>
        ) : (
          <ul class="past" aria-labelledby="lately" tabIndex={0}>
            {deeds.slice(0, 24).map((deed) => {
              const entry = { item_id: deed.item_id, score: null, source: "history", metadata: deed.metadata };
              const title = deed.metadata.title || deed.item_id;
              return (
                <li key={deed.item_id}>
                  <button type="button" class="past-item" title={`${title} · ${stars(deed)}`} aria-label={`${title}, ${stars(deed)}`} onClick={() => open(entry)}>
                    <Picture id={deed.item_id} metadata={deed.metadata} category={categoryOf(entry)} eager />
                    {deed.value !== null && <span class="past-value" aria-hidden="true">{deed.value}</span>}
                  </button>
                </li>
              );
            })}
          </ul>
        )}
      </div>
    </section>
  );
}
