// As much of an OpenAPI 3.1 document as this service writes, and how its types are called in words.

export interface Schema {
  $ref?: string;
  type?: string;
  format?: string;
  description?: string;
  enum?: unknown[];
  const?: unknown;
  default?: unknown;
  anyOf?: Schema[];
  items?: Schema;
  properties?: Record<string, Schema>;
  additionalProperties?: Schema | boolean;
  required?: string[];
  minimum?: number;
  maximum?: number;
  minLength?: number;
  maxLength?: number;
  maxItems?: number;
}

type Content = Record<string, { schema?: Schema }>;

export interface Operation {
  tags?: string[];
  summary?: string;
  description?: string;
  parameters?: { name: string; in: "path" | "query" | "header"; required?: boolean; schema?: Schema; description?: string }[];
  requestBody?: { required?: boolean; content: Content };
  responses: Record<string, { description: string; content?: Content }>;
  security?: unknown[];
}

export interface Document {
  info: { title: string; version: string; summary?: string };
  paths: Record<string, Record<string, Operation>>;
  components: { schemas: Record<string, Schema> };
}

export interface Route {
  key: string;
  method: string;
  path: string;
  operation: Operation;
}

/** All routes by their first tag, in the order of the document. */
export function byTag(document: Document): Map<string, Route[]> {
  const groups = new Map<string, Route[]>();
  for (const [path, methods] of Object.entries(document.paths))
    for (const [method, operation] of Object.entries(methods)) {
      const tag = operation.tags?.[0] ?? "other";
      const route = { key: `${method}-${path.replace(/[^\w]+/g, "-")}`, method: method.toUpperCase(), path, operation };
      groups.set(tag, [...(groups.get(tag) ?? []), route]);
    }
  return groups;
}

/** What a reference stands for, or the schema itself. */
export const resolve = (document: Document, schema: Schema): Schema =>
  schema.$ref ? (document.components.schemas[schema.$ref.split("/").pop()!] ?? {}) : schema;

/** The one object that a schema is, or is a list of, or may be beside null; none where it is plain. */
export function inner(document: Document, schema: Schema): Schema | null {
  const found = resolve(document, schema);
  if (found.properties) return found;
  if (found.items) return inner(document, found.items);
  for (const one of found.anyOf ?? []) {
    const object = inner(document, one);
    if (object) return object;
  }
  return null;
}

const bounds = ({ minimum, maximum }: Schema): string =>
  minimum !== undefined && maximum !== undefined ? `, ${minimum} … ${maximum}` : minimum !== undefined ? `, at least ${minimum}` : maximum !== undefined ? `, at most ${maximum}` : "";

export function typeOf(schema: Schema): string {
  if (schema.$ref) return schema.$ref.split("/").pop()!;
  if (schema.enum) return schema.enum.map((one) => JSON.stringify(one)).join(" | ");
  if (schema.const !== undefined) return JSON.stringify(schema.const);
  if (schema.anyOf) return schema.anyOf.map(typeOf).join(" or ");
  if (schema.type === "array") return `list of ${schema.items ? typeOf(schema.items) : "anything"}`;
  if (schema.type === "object") return typeof schema.additionalProperties === "object" ? `object of ${typeOf(schema.additionalProperties)}` : "object";
  return `${schema.format === "binary" ? "file" : (schema.format ?? schema.type ?? "anything")}${bounds(schema)}`;
}
