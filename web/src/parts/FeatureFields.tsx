import type { FeatureValue, Kind } from "../api";

interface Props {
  declared: Record<string, { kind: Kind }>;
  values: Record<string, string>;
  errors: Record<string, string>;
  suggestions?: Record<string, string[]>;
  onChange: (name: string, value: string) => void;
}

/** A field for every declared feature; sets are written with commas. */
export const FeatureFields = ({ declared, values, errors, suggestions = {}, onChange }: Props) => (
  <div class="feature-fields">
    {Object.entries(declared).map(([name, { kind }]) => {
      const error = errors[`features.${name}`];
      const list = suggestions[name];
      return (
        <label class="field" key={name}>
          <span>{name.replaceAll("_", " ")}{kind === "multi" && <small> parted by commas</small>}</span>
          <input
            type={kind === "numeric" ? "number" : "text"}
            step="any"
            list={list ? `some-${name}` : undefined}
            value={values[name] ?? ""}
            aria-invalid={error ? true : undefined}
            aria-describedby={error ? `wrong-${name}` : undefined}
            onInput={(event) => onChange(name, event.currentTarget.value)}
          />
          {list && <datalist id={`some-${name}`}>{list.map((one) => <option key={one} value={one} />)}</datalist>}
          {error && <em id={`wrong-${name}`}>{error}</em>}
        </label>
      );
    })}
  </div>
);

/** What was typed as the service takes it; nothing typed is left out. */
export function readFeatures(declared: Record<string, { kind: Kind }>, values: Record<string, string>): Record<string, FeatureValue> {
  const read: Record<string, FeatureValue> = {};
  for (const [name, { kind }] of Object.entries(declared)) {
    const text = (values[name] ?? "").trim();
    if (!text) continue;
    read[name] = kind === "numeric" ? Number(text) : kind === "multi" ? text.split(",").map((one) => one.trim()).filter(Boolean) : text;
  }
  return read;
}
