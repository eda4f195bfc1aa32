import "../parts/base.css";
import "../parts/theme";
import { render } from "preact";

render(<p>…</p>, document.getElementById("app")!);
