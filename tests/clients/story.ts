// A partner's program, typed by openapi-typescript: search, record, token, register, lend, renew, return, notices.
// usage: node story.ts ADDRESS CLIENT_ID CLIENT_SECRET QUERY
import createClient from "openapi-fetch";
import type { paths } from "./schema.d.ts";

declare const process: { argv: string[] };
const [address, client_id, client_secret, query] = process.argv.slice(2) as [string, string, string, string];
const branch = "PKS/PST";

/** Return the JSON of a response; a problem document, or another format, ends the program. */
function need<Data>(response: { data?: Data; error?: unknown }): Exclude<Data, string> {
  const { data, error } = response;
  if (data === undefined || typeof data === "string") throw new Error(JSON.stringify(error));
  return data as Exclude<Data, string>;
}

function check(holds: boolean, what: string): void {
  if (!holds) throw new Error(what);
}

const key = () => ({ "Idempotency-Key": crypto.randomUUID() });

const reader = createClient<paths>({ baseUrl: address });
const hit = need(await reader.GET("/api/v1/search", { params: { query: { q: query } } })).hits[0]!;
const record_id = hit.id;
const record = need(await reader.GET("/api/v1/records/{record_id}", { params: { path: { record_id } } }));
check(record.record.title === hit.record.title, "title");
const items = need(await reader.GET("/api/v1/records/{record_id}/items", { params: { path: { record_id } } }));
const item = items.hits[0]!.barcode!;

const token = need(await reader.POST("/api/v1/tokens", { body: { client_id, client_secret } }));
const desk = createClient<paths>({ baseUrl: address, headers: { Authorization: `Bearer ${token.access_token}` } });
const member = need(
  await desk.POST("/api/v1/members", { params: { header: key() }, body: { name: `Rahmi ${query}`, category: "umum" } }),
);

const lent = need(
  await desk.POST("/api/v1/check-outs", { params: { header: key() }, body: { member: member.number, item, branch } }),
);
const loan_id = lent.loan.id!;
const renewed = need(
  await desk.POST("/api/v1/loans/{loan_id}/renewals", { params: { path: { loan_id }, header: key() } }),
);
check(renewed.loan.renewals === 1, "renewals");
const returned = need(await desk.POST("/api/v1/check-ins", { params: { header: key() }, body: { item, branch } }));
check(returned.item.barcode === item, "barcode");
const notices = need(await desk.GET("/api/v1/notices", { params: { query: { member: member.id } } }));
check(notices.hits.every((notice) => notice.member_id === member.id), "notices");
