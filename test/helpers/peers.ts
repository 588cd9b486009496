import { http, http2, httpInBatches } from './http-peer.ts';
import { kafka } from './kafka-peer.ts';
import { mqttBroker } from './mqtt-peer.ts';
import type { PeerType } from './peer.ts';

/** The peers of each type, which is their first word; a handler joins the conformance suite with its line here. */
export const PEERS: Readonly<Record<string, PeerType>> = {
  http,
  'http in batches': httpInBatches,
  'http over HTTP/2': http2,
  mqtt: mqttBroker,
  kafka,
};
