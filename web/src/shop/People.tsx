import { useEffect, useState } from "preact/hooks";
import { asFailure, ask, send, type Failure } from "../api";
import { Dialog } from "../parts/Dialog";
import { FeatureFields, readFeatures } from "../parts/FeatureFields";
import { bearing } from "../parts/key";
import { Badge } from "./Header";
import { dataset, user } from "./state";
import { become } from "./visit";
import { toast } from "./toasts";

const KEY = "towerbridge.made";
const made = (): string[] => JSON.parse(localStorage.getItem(KEY) ?? "[]") as string[];

/** Choose who looks, or make somebody. */
export function People({ onClose }: { onClose: () => void }) {
  const [part, type] = useState("");
  const [known, show] = useState<{ users: string[]; total: number } | null>(null);
  const [failure, fail] = useState<Failure | null>(null);
  const [making, make] = useState(false);
  useEffect(() => {
    const stop = new AbortController();
    const timer = setTimeout(() => {
      ask<{ users: string[]; total: number }>(`/v1/users?${new URLSearchParams({ q: part, limit: "24" })}`, { headers: bearing(), signal: stop.signal })
        .then((answer) => (show(answer), fail(null)))
        .catch((error: unknown) => stop.signal.aborted || fail(asFailure(error)));
    }, part ? 120 : 0);
    return () => (clearTimeout(timer), stop.abort());
  }, [part]);
  const choose = (name: string) => {
    onClose();
    if (name !== user.peek()) become(name);
  };
  const mine = made().filter((name) => name.toLowerCase().includes(part.trim().toLowerCase()));
  const listed = [...mine, ...(known?.users ?? []).filter((name) => !mine.includes(name))];
  const exact = part.trim();
  const untold = failure?.status === 403;
  return (
    <Dialog title="Who looks" onClose={onClose}>
      <h2>Who looks?</h2>
      {making ? <Make first={exact} onMade={choose} onBack={() => make(false)} /> : (
        <>
          <form onSubmit={(event) => (event.preventDefault(), exact && choose(listed.includes(exact) ? exact : (listed[0] ?? exact)))}>
            <label class="field">
              <span>{untold ? "User id" : "Find a user"} <small>{known ? `${known.total.toLocaleString("en")} match` : ""}</small></span>
              <input type="search" autoFocus value={part} placeholder={untold ? "" : "A part of the id"} onInput={(event) => type(event.currentTarget.value)} />
            </label>
          </form>
          {untold ? <p class="hint">Who the users are is told to administrators only. Type an id, or give the key in the <a href="/admin">control room</a> and come back.</p>
            : failure && <p class="wrong" role="alert">{failure.message}</p>}
          <ul class="people" aria-label="Users">
            {listed.map((name) => (
              <li key={name}>
                <button type="button" aria-current={name === user.value ? "true" : undefined} onClick={() => choose(name)}>
                  <Badge name={name} /><span>{name}</span>
                </button>
              </li>
            ))}
          </ul>
          {(known || untold) && listed.length === 0 && exact && <p class="none">{!untold && "Nobody like that is known. "}<button type="button" class="link" onClick={() => choose(exact)}>Look as “{exact}”{!untold && " all the same"}</button></p>}
          <div class="dialog-foot">
            <button type="button" class="primary" onClick={() => make(true)}>Make a new user</button>
          </div>
        </>
      )}
    </Dialog>
  );
}

function Make({ first, onMade, onBack }: { first: string; onMade: (name: string) => void; onBack: () => void }) {
  const [name, type] = useState(first);
  const [values, change] = useState<Record<string, string>>({});
  const [failure, fail] = useState<Failure | null>(null);
  const declared = dataset.value?.user_features ?? {};
  const submit = async (event: Event) => {
    event.preventDefault();
    try {
      const answer = await send<{ created: boolean }>("/v1/users", { user_id: name.trim(), features: readFeatures(declared, values) });
      localStorage.setItem(KEY, JSON.stringify([...new Set([name.trim(), ...made()])].slice(0, 12)));
      toast(answer.created ? `Welcome, ${name.trim()}.` : `${name.trim()} was there already; the record is new.`);
      onMade(name.trim());
    } catch (error) {
      fail(asFailure(error));
    }
  };
  return (
    <form onSubmit={(event) => void submit(event)}>
      <label class="field">
        <span>Id</span>
        <input required autoFocus maxLength={200} value={name} onInput={(event) => type(event.currentTarget.value)} />
      </label>
      <FeatureFields declared={declared} values={values} errors={failure?.fields ?? {}} onChange={(key, value) => change({ ...values, [key]: value })} />
      {failure && <p class="wrong" role="alert">{failure.message}</p>}
      <div class="dialog-foot">
        <button type="button" onClick={onBack}>Back</button>
        <button type="submit" class="primary">Make and look as them</button>
      </div>
    </form>
  );
}
