import "../parts/base.css";
import "./reference.css";
import { signal } from "@preact/signals";
import { render } from "preact";
import { useState } from "preact/hooks";
import { asFailure, ask, type Failure } from "../api";
import { Brand, ThemeButton } from "../parts/Brand";
import "../parts/theme";
import { Trouble } from "../parts/Trouble";
import { byTag, inner, resolve, typeOf, type Document, type Route, type Schema } from "./openapi";
import { Try } from "./Try";

const api = signal<Document | null>(null);
const failure = signal<Failure | null>(null);

/** Text in which backticks mark code. */
const Prose = ({ text }: { text: string }) => <>{text.split("`").map((part, place) => (place % 2 ? <code key={place}>{part}</code> : part))}</>;

/** The fields of an object, those of objects in it under a fold. */
function Fields({ schema, depth = 0 }: { schema: Schema; depth?: number }) {
  const object = inner(api.value!, schema);
  if (!object) return <p class="type">{typeOf(schema)}</p>;
  return (
    <ul class="fields">
      {Object.entries(object.properties ?? {}).map(([name, field]) => {
        const deeper = depth < 4 ? inner(api.value!, field) : null;
        return (
          <li key={name}>
            <code>{name}</code>{object.required?.includes(name) && <b class="must" title="required">*</b>} <span class="type">{typeOf(field)}</span>
            {field.default !== undefined && field.default !== null && <span class="type">, {JSON.stringify(field.default)} by default</span>}
            {(field.description ?? resolve(api.value!, field).description) && <p><Prose text={field.description ?? resolve(api.value!, field).description!} /></p>}
            {deeper && <details><summary>its fields</summary><Fields schema={deeper} depth={depth + 1} /></details>}
          </li>
        );
      })}
    </ul>
  );
}

function Section({ route }: { route: Route }) {
  const { operation, method, path, key } = route;
  const [open, show] = useState(location.hash === `#${key}`);
  const bodies = Object.entries(operation.requestBody?.content ?? {});
  return (
    <details class="route" id={key} open={open} onToggle={(event) => show(event.currentTarget.open)}>
      <summary><span class={`method ${method.toLowerCase()}`}>{method}</span><code>{path.replaceAll(":path}", "}")}</code><span class="summary">{operation.summary}</span></summary>
      {open && (
        <div class="route-body">
          {operation.description?.split(/\n\s*\n/).map((part) => <p key={part}><Prose text={part} /></p>)}
          {(operation.parameters?.length ?? 0) > 0 && (
            <>
              <h3>Parameters</h3>
              <ul class="fields">
                {operation.parameters!.map((one) => (
                  <li key={one.name}>
                    <code>{one.name}</code>{one.required && <b class="must" title="required">*</b>} <span class="type">{one.in}, {typeOf(one.schema ?? {})}</span>
                    {one.schema?.default !== undefined && one.schema.default !== null && <span class="type">, {JSON.stringify(one.schema.default)} by default</span>}
                    {(one.description ?? one.schema?.description) && <p><Prose text={(one.description || one.schema?.description)!} /></p>}
                  </li>
                ))}
              </ul>
            </>
          )}
          {bodies.length > 0 && <><h3>Body</h3><p class="type">{bodies.map(([kind]) => kind).join(" or ")}</p><Fields schema={bodies[0]![1].schema ?? {}} /></>}
          <h3>Answers</h3>
          <ul class="fields">
            {Object.entries(operation.responses).sort().map(([status, answer]) => {
              const [kind, content] = Object.entries(answer.content ?? {})[0] ?? [];
              return (
                <li key={status}>
                  <b class={Number(status) < 400 ? "good" : ""}>{status}</b> <Prose text={answer.description} />{kind && <span class="type"> · {kind}</span>}
                  {content?.schema && inner(api.value!, content.schema) && <details><summary>{typeOf(content.schema)}</summary><Fields schema={content.schema} /></details>}
                </li>
              );
            })}
          </ul>
          <h3>Try it</h3>
          <Try route={route} />
        </div>
      )}
    </details>
  );
}

function App() {
  const groups = api.value ? byTag(api.value) : null;
  return (
    <>
      <header class="top"><Brand /><div class="top-actions"><a class="quiet labelled" href="/openapi.json">OpenAPI document</a><ThemeButton /></div></header>
      <main class="reference">
        <h1>HTTP routes</h1>
        {failure.value && <Trouble failure={failure.value} again={() => void begin()} />}
        {groups && (
          <nav class="tags" aria-label="Groups">{[...groups.keys()].map((tag) => <a key={tag} href={`#tag-${tag}`}>{tag}</a>)}</nav>
        )}
        {groups && [...groups].map(([tag, routes]) => (
          <section key={tag} aria-labelledby={`tag-${tag}`}>
            <h2 id={`tag-${tag}`}>{tag}</h2>
            {routes.map((route) => <Section key={route.key} route={route} />)}
          </section>
        ))}
      </main>
    </>
  );
}

async function begin(): Promise<void> {
  failure.value = null;
  try {
    api.value = await ask<Document>("/openapi.json");
    requestAnimationFrame(() => document.getElementById(location.hash.slice(1))?.scrollIntoView());
  } catch (error) {
    failure.value = asFailure(error);
  }
}

render(<App />, document.getElementById("app")!);
void begin();
