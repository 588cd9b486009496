// Measures: npm run bench, or npm run bench -- start for one measurement. Prints tables and writes bench/results.json.
import { writeFile } from 'node:fs/promises';
import { cpus, totalmem } from 'node:os';
import { measureApi } from './api.ts';
import { measureAuth } from './auth.ts';
import { measureClients } from './clients.ts';
import { measureFairness } from './fairness.ts';
import { measureHttp } from './http.ts';
import { measureIngress } from './ingress.ts';
import { measureKafka } from './kafka.ts';
import { measureLatency } from './latency.ts';
import { measureMany } from './many.ts';
import { measureMqtt } from './mqtt.ts';
import { measureOutage } from './outage.ts';
import { measureIntegrations, measureSizes } from './scale.ts';
import { measureStart } from './start.ts';
import { measureWatchers } from './watchers.ts';

const MEASUREMENTS: Readonly<Record<string, () => Promise<object>>> = {
  start: measureStart,
  http: measureHttp,
  mqtt: measureMqtt,
  kafka: measureKafka,
  ingress: measureIngress,
  fairness: measureFairness,
  clients: measureClients,
  latency: measureLatency,
  sizes: measureSizes,
  integrations: measureIntegrations,
  many: measureMany,
  api: measureApi,
  auth: measureAuth,
  watchers: measureWatchers,
  outage: measureOutage,
};

for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => process.exit(130)); // the servers with it
const wanted = process.argv.slice(2);
const names = wanted.length > 0 ? wanted : Object.keys(MEASUREMENTS);
const machine = {
  cpu: cpus()[0]?.model ?? 'unknown',
  cores: cpus().length,
  memoryGiB: Math.round(totalmem() / 2 ** 30),
  node: process.version,
};
const results: Record<string, object> = { machine };
console.log(machine);
for (const name of names) {
  const measure = MEASUREMENTS[name];
  if (!measure)
    throw new Error(`there is no measurement ${name}: use ${Object.keys(MEASUREMENTS).join(', ')}`);
  console.log(`measuring ${name}…`);
  results[name] = await measure();
  console.table(results[name]);
}
await writeFile(new URL('results.json', import.meta.url), `${JSON.stringify(results, null, 2)}\n`);
