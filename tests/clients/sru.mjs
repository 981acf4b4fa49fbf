// usage: sru.mjs ADDRESS SCHEMA VERSION QUERY: print the total and all records of a search as JSON.
import client from '@natlibfi/sru-client';

const [url, recordSchema, version, query] = process.argv.slice(2);
const records = [];
let total = 0;
client.default({ url, recordSchema, version })
  .searchRetrieve(query)
  .on('record', (record) => records.push(record))
  .on('total', (number) => { total = number; })
  .on('end', () => console.log(JSON.stringify({ total, records })))
  .on('error', (error) => { console.error(error); process.exit(1); });
