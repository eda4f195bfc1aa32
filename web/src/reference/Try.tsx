import { useState } from "preact/hooks";
import type { Route } from "./openapi";

interface Told {
  status: number;
  took: number;
  kind: string;
  text: string;
}

/** Asks the service itself, and shows what it answers. */
export function Try({ route }: { route: Route }) {
  const { operation, method, path } = route;
  const parameters = (operation.parameters ?? []).filter((one) => one.in !== "header");
  const body = operation.requestBody?.content["application/json"];
  const [values, change] = useState<Record<string, string>>({});
  const [text, write] = useState("{}");
  const [key, unlock] = useState("");
  const [told, tell] = useState<Told | null>(null);

  const ask = async (event: Event) => {
    event.preventDefault();
    let address = path;
    const query = new URLSearchParams();
    for (const { name, in: place } of parameters) {
      const value = values[name] ?? "";
      if (place === "path") address = address.replace(new RegExp(`\\{${name}(:path)?\\}`), encodeURIComponent(value));
      else if (value) query.set(name, value);
    }
    const began = performance.now();
    const answer = await fetch(`${address}${query.size ? `?${query}` : ""}`, {
      method,
      headers: { ...(body && { "content-type": "application/json" }), ...(key && { "x-admin-key": key }) },
      ...(body && { body: text }),
    }).catch(() => null);
    if (!answer) return tell({ status: 0, took: 0, kind: "", text: "The service does not answer." });
    const kind = answer.headers.get("content-type") ?? "";
    const came = kind.includes("json") ? JSON.stringify(await answer.json(), null, 1) : kind.startsWith("text/") ? await answer.text() : `${(await answer.blob()).size} bytes`;
    tell({ status: answer.status, took: performance.now() - began, kind, text: came });
  };
  return (
    <form class="try" onSubmit={(event) => void ask(event)}>
      {parameters.length > 0 && (
        <div class="feature-fields">
          {parameters.map(({ name, in: place }) => (
            <label class="field" key={name}>
              <span>{name}</span>
              <input required={place === "path"} value={values[name] ?? ""} onInput={(event) => change({ ...values, [name]: event.currentTarget.value })} />
            </label>
          ))}
        </div>
      )}
      {body && <label class="field"><span>body</span><textarea rows={6} spellcheck={false} value={text} onInput={(event) => write(event.currentTarget.value)} /></label>}
      {operation.security && <label class="field"><span>X-Admin-Key</span><input type="password" autoComplete="off" value={key} onInput={(event) => unlock(event.currentTarget.value)} /></label>}
      <button type="submit" class="primary">Ask</button>
      {told && (
        <div class="told" role="status">
          <p><b class={told.status < 400 ? "good" : "wrong"}>{told.status || "–"}</b> {told.kind} <span>{told.took.toFixed(0)} ms</span></p>
          <pre tabIndex={0}>{told.text.slice(0, 20_000)}</pre>
        </div>
      )}
    </form>
  );
}
