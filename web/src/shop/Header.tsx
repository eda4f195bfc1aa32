import { useEffect, useRef, useState } from "preact/hooks";
import { Brand, ThemeButton } from "../parts/Brand";
import { Icon } from "../parts/Icon";
import { hue } from "../parts/Picture";
import { search } from "./lists";
import { dataset, picture, searching, user, words } from "./state";

/** Somebody's sign: two letters on a colour of their own. */
export const Badge = ({ name, large = false }: { name: string; large?: boolean }) => (
  <span class={`badge ${large ? "large" : ""}`} style={{ "--hue": hue(name) }} aria-hidden="true">
    {name.slice(0, 3)}
  </span>
);

const isPicture = (file: File | undefined): file is File => !!file && file.type.startsWith("image/");

function SearchField() {
  const field = useRef<HTMLInputElement>(null);
  const chooser = useRef<HTMLInputElement>(null);
  const [over, hover] = useState(false);
  const [preview, show] = useState<string | null>(null);
  const looks = dataset.value?.looks ?? false;

  useEffect(() => {
    if (!picture.value) return show(null);
    const address = URL.createObjectURL(picture.value);
    show(address);
    return () => URL.revokeObjectURL(address);
  }, [picture.value]);

  // What is typed is asked for when the hand rests.
  const first = useRef(true);
  useEffect(() => {
    if (first.current) return void (first.current = false);
    const timer = setTimeout(() => void search(), picture.value ? 0 : 180);
    return () => clearTimeout(timer);
  }, [words.value, picture.value]);

  const take = (file: File | undefined) => {
    if (isPicture(file)) {
      words.value = "";
      picture.value = file;
    }
  };
  useEffect(() => {
    if (!looks) return;
    const files = (event: DragEvent) => event.dataTransfer?.types.includes("Files") ?? false;
    const inDialog = () => document.querySelector("dialog[open]") !== null;
    const drag = (event: DragEvent) => {
      if (!files(event)) return;
      event.preventDefault();
      if (!inDialog()) hover(true);
    };
    const leave = (event: DragEvent) => event.relatedTarget === null && hover(false);
    const drop = (event: DragEvent) => {
      if (!files(event)) return;
      event.preventDefault();
      hover(false);
      if (!inDialog()) take(event.dataTransfer?.files[0]);
    };
    addEventListener("dragover", drag);
    addEventListener("dragleave", leave);
    addEventListener("drop", drop);
    return () => {
      removeEventListener("dragover", drag);
      removeEventListener("dragleave", leave);
      removeEventListener("drop", drop);
    };
  }, [looks]);
  useEffect(() => {
    const slash = (event: KeyboardEvent) => {
      const target = event.target as HTMLElement;
      if (event.key !== "/" || target.closest("input, textarea, select, dialog")) return;
      event.preventDefault();
      field.current?.focus();
    };
    addEventListener("keydown", slash);
    return () => removeEventListener("keydown", slash);
  }, []);

  const clear = () => {
    words.value = "";
    picture.value = null;
    field.current?.focus();
  };
  return (
    <form class="search" role="search" onSubmit={(event) => (event.preventDefault(), void search())}>
      <Icon name="search" />
      {preview && <img class="search-picture" src={preview} alt="The picture that is searched by" />}
      <input
        ref={field}
        type="search"
        aria-label="Search"
        aria-keyshortcuts="/"
        placeholder={picture.value ? "Items that look like this" : dataset.value?.reads === false ? "Search by words" : "Search by words or meaning"}
        value={words.value}
        maxLength={1000}
        onInput={(event) => {
          picture.value = null;
          words.value = event.currentTarget.value;
        }}
        onKeyDown={(event) => event.key === "Escape" && clear()}
      />
      {searching.value && (
        <button type="button" class="quiet round" aria-label="Clear the search" onClick={clear}>
          <Icon name="close" />
        </button>
      )}
      {looks && (
        <>
          <button type="button" class="quiet round" aria-label="Search by a picture" title="Search by a picture, or drop one anywhere" onClick={() => chooser.current?.click()}>
            <Icon name="camera" />
          </button>
          <input
            ref={chooser}
            class="visually-hidden"
            type="file"
            accept="image/*"
            tabIndex={-1}
            aria-label="Picture to search by"
            onChange={(event) => {
              take(event.currentTarget.files?.[0]);
              event.currentTarget.value = "";
            }}
          />
        </>
      )}
      {over && <div class="drop-here" aria-hidden="true"><span><Icon name="camera" />Drop the picture to find what looks like it</span></div>}
    </form>
  );
}

export const Header = ({ onPeople, onAdd }: { onPeople: () => void; onAdd: () => void }) => (
  <header class="top">
    <a class="skip" href="#list">Skip to the list</a>
    <Brand />
    <SearchField />
    <nav class="top-actions" aria-label="Actions">
      <button type="button" class="quiet labelled" onClick={onAdd} aria-label="Add an item">
        <Icon name="plus" />
        <span>Add an item</span>
      </button>
      <a class="quiet labelled control" href="/admin"><Icon name="sliders" /><span>Control room</span></a>
      <ThemeButton />
      <button type="button" class="person" onClick={onPeople} aria-label={`You look as ${user.value}; change`}>
        <Badge name={user.value} />
        <span class="person-name">{user.value}</span>
        <Icon name="chevron" />
      </button>
    </nav>
  </header>
);
