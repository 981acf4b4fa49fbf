// Write the OpenAPI document as a Postman collection.  usage: node collection.mjs openapi.json collection.json
// The same document always makes the same file: ids are hashes of their place in the collection, and values are the
// examples of the document.
import { createHash } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import converter from "openapi-to-postmanv2";

const [source, target] = process.argv.slice(2);
const options = {
  folderStrategy: "Tags",
  requestNameSource: "Fallback",
  parametersResolution: "Example",
  includeAuthInfoInExample: false,
  enableOptionalParameters: false,
};
const described = JSON.parse(readFileSync(source, "utf8"));

// Postman makes a new value for each request.
const VALUES = { "Idempotency-Key": "{{$guid}}" };

function example(schema) {
  if (schema.$ref) return example(described.components.schemas[schema.$ref.split("/").pop()]);
  if (schema.examples) return schema.examples[0];
  if (schema.default !== undefined) return schema.default;
  if (schema.enum) return schema.enum[0];
  if (schema.anyOf) return example(schema.anyOf[0]);
  if (schema.type === "array") return [];
  if (schema.type === "integer" || schema.type === "number") return schema.minimum ?? 0;
  if (schema.type === "boolean") return false;
  if (schema.type !== "object") return "";
  const named = Object.entries(schema.properties ?? {});
  const shown = named.filter(([name, part]) => part.examples || (schema.required ?? []).includes(name));
  return Object.fromEntries(shown.map(([name, part]) => [name, example(part)]));
}

for (const operation of Object.values(described.paths).flatMap((path) => Object.values(path))) {
  for (const parameter of operation.parameters ?? []) {
    const value = VALUES[parameter.name] ?? (example(parameter.schema) || `<${parameter.name}>`);
    parameter.schema = { type: "string", example: String(value) };
  }
  for (const body of Object.values(operation.requestBody?.content ?? {})) {
    body.example = example(body.schema);
    body.schema = { type: typeof body.example, example: body.example };
  }
  // Responses repeat what /docs shows, and would be three quarters of the file.
  operation.responses = { default: { description: "" } };
}
described.servers = [{ url: "http://localhost:8080" }];
const input = { type: "string", data: JSON.stringify(described) };
const result = await new Promise((resolve, reject) =>
  converter.convertV2(input, options, (error, converted) => (error ? reject(error) : resolve(converted))),
);
if (!result.result) throw new Error(result.reason);
const collection = result.output[0].data;

function settle(node, path) {
  if (Array.isArray(node)) return node.forEach((child, place) => settle(child, `${path}/${place}`));
  if (node === null || typeof node !== "object") return;
  for (const name of ["id", "_postman_id"]) {
    if (typeof node[name] !== "string" || path.includes("/body")) continue;
    const hash = createHash("sha256").update(`${path}/${name}`).digest("hex");
    node[name] = hash.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12}).*$/, "$1-$2-$3-$4-$5");
  }
  if (Array.isArray(node.response)) node.response = [];
  for (const [name, child] of Object.entries(node)) settle(child, `${path}/${name}`);
}
settle(collection, "");
writeFileSync(target, `${JSON.stringify(collection, null, 1)}\n`);
