import { useEffect, useRef, useState } from "preact/hooks";
import { asFailure, ask, part, send, type Entry, type Failure, type Listing } from "../api";
import { Dialog } from "../parts/Dialog";
import { FeatureFields, readFeatures } from "../parts/FeatureFields";
import { Icon } from "../parts/Icon";
import { replacedNow } from "../parts/Picture";
import { open } from "./deeds";
import { recommend } from "./lists";
import { dataset, turn, user } from "./state";

interface Written {
  item_id: string;
  /** Whether it is known by its text, and by its picture. */
  text: boolean;
  image: boolean;
  latency_ms: number;
}

interface Place {
  entry: Entry;
  written: Written;
  /** Where it stands among the user's recommendations; null where it is not among the first 500. */
  rank: number | null;
  among: number;
}

const newId = () => `NEW${Date.now().toString(36).toUpperCase()}`.slice(0, 10).padEnd(10, "0");

/** Add an item, with a picture, and see where it turns up. */
export function AddItem({ onClose }: { onClose: () => void }) {
  const [title, setTitle] = useState("");
  const [text, setText] = useState("");
  const [file, take] = useState<File | null>(null);
  const [values, change] = useState<Record<string, string>>({});
  const [failure, fail] = useState<Failure | null>(null);
  const [busy, wait] = useState(false);
  const [place, found] = useState<Place | null>(null);
  const declared = dataset.value?.item_features ?? {};
  const category = dataset.value?.category;

  const submit = async (event: Event) => {
    event.preventDefault();
    wait(true);
    fail(null);
    try {
      const form = new FormData();
      form.set("item_id", newId());
      form.set("title", title.trim());
      form.set("text", text.trim());
      form.set("features", JSON.stringify(readFeatures(declared, values)));
      if (file) form.set("image", file);
      const written = await send<Written>("/v1/items", form);
      replacedNow(written.item_id);
      const who = part(user.peek());
      const [ranked, placed] = await Promise.all([
        send<Listing>("/v1/rank", { user_id: user.peek(), candidates: [written.item_id] }),
        ask<Listing>(`/v1/users/${who}/recommendations?limit=500`),
      ]);
      const at = placed.items.findIndex((one) => one.item_id === written.item_id);
      found({ entry: ranked.items[0]!, written, rank: at < 0 ? null : at + 1, among: placed.items.length });
      turn.value += 1;
      void recommend();
    } catch (error) {
      fail(asFailure(error));
    } finally {
      wait(false);
    }
  };
  if (place) return <Placed place={place} onClose={onClose} />;
  return (
    <Dialog title="Add an item" onClose={onClose}>
      <h2>Add an item</h2>
      <form class="add" onSubmit={(event) => void submit(event)}>
        <PictureField file={file} onTake={take} error={failure?.fields["image"]} />
        <div>
          <label class="field"><span>Title</span><input required autoFocus maxLength={300} value={title} onInput={(event) => setTitle(event.currentTarget.value)} /></label>
          <label class="field"><span>Description</span><textarea rows={4} value={text} onInput={(event) => setText(event.currentTarget.value)} /></label>
        </div>
        <FeatureFields
          declared={declared} values={values} errors={failure?.fields ?? {}}
          suggestions={category ? { [category]: dataset.value!.categories.map((one) => one.name) } : {}}
          onChange={(name, value) => change({ ...values, [name]: value })}
        />
        {failure && <p class="wrong" role="alert">{failure.message}</p>}
        <div class="dialog-foot">
          <button type="button" onClick={onClose}>Cancel</button>
          <button type="submit" class="primary" disabled={busy}>{busy ? "Reading and looking…" : "Add it"}</button>
        </div>
      </form>
    </Dialog>
  );
}

function PictureField({ file, onTake, error }: { file: File | null; onTake: (file: File | null) => void; error: string | undefined }) {
  const chooser = useRef<HTMLInputElement>(null);
  const [over, hover] = useState(false);
  const [preview, show] = useState<string | null>(null);
  useEffect(() => {
    if (!file) return show(null);
    const address = URL.createObjectURL(file);
    show(address);
    return () => URL.revokeObjectURL(address);
  }, [file]);
  return (
    <div class="picture-field">
      <button
        type="button"
        class={`drop ${over ? "over" : ""}`}
        aria-label={file ? `Picture: ${file.name}; choose another` : "Choose a picture"}
        onClick={() => chooser.current?.click()}
        onDragOver={(event) => (event.preventDefault(), hover(true))}
        onDragLeave={() => hover(false)}
        onDrop={(event) => {
          event.preventDefault();
          hover(false);
          const dropped = event.dataTransfer?.files[0];
          if (dropped?.type.startsWith("image/")) onTake(dropped);
        }}
      >
        {preview ? <img src={preview} alt="" /> : <span><Icon name="camera" />Drop a picture here, or choose one</span>}
      </button>
      <input
        ref={chooser} class="visually-hidden" type="file" accept="image/*" tabIndex={-1} aria-label="Picture of the item"
        onChange={(event) => onTake(event.currentTarget.files?.[0] ?? null)}
      />
      {error && <em class="wrong">{error}</em>}
    </div>
  );
}

function Placed({ place, onClose }: { place: Place; onClose: () => void }) {
  const { entry, written, rank, among } = place;
  const known = [written.text && "text", written.image && "picture"].filter(Boolean).join(" and ");
  return (
    <Dialog title="It is in the shop" onClose={onClose}>
      <h2>It is in the shop</h2>
      <p class="placed">
        <b>{entry.metadata.title}</b> was taken in {Math.round(written.latency_ms)} ms{known && `, and is known by its ${known}`}. It can be
        searched for, and stands beside what is like it, from now on.
      </p>
      <p class="placed-rank">
        {rank === null ? <>It is not among the first {among} for <b>{user.value}</b>.</> : <><strong>{rank}</strong> of {among} on the list of <b>{user.value}</b></>}
      </p>
      <div class="dialog-foot">
        <button type="button" onClick={onClose}>Close</button>
        <button type="button" class="primary" onClick={() => (onClose(), open(entry))}>See what is like it</button>
      </div>
    </Dialog>
  );
}
