import { http } from './http-peer.ts';
import { mqttBroker } from './mqtt-peer.ts';
import type { PeerType } from './peer.ts';

/** The peer of each type; a handler joins the conformance suite with its line here. */
export const PEERS: Readonly<Record<string, PeerType>> = {
  http,
  mqtt: mqttBroker,
};
