import type { ReasonCode } from './protocol.ts';

/** Why a connection ended: a label of `penstock_mqtt_disconnects_total`. */
export type EndReason =
  | 'disconnect'
  | 'lost'
  | 'no-connect'
  | 'crowded-out'
  | 'refused'
  | 'keep-alive'
  | 'packet-timeout'
  | 'taken-over'
  | 'memory'
  | 'protocol-error'
  | 'not-stored'
  | 'shutdown';

export interface End {
  readonly reason: EndReason;
  /** What 5.0 is told with a DISCONNECT. */
  readonly reasonCode?: ReasonCode;
}

/** Of a client id that is logged, in characters: a stranger chooses it. */
const LOGGED_ID = 100;

export const loggedId = (clientId: string) => clientId.slice(0, LOGGED_ID);

/** Ends that somebody will ask about; the others are everyday. */
export const LEVELS: Partial<Record<EndReason, 'info' | 'warn'>> = {
  refused: 'info',
  'packet-timeout': 'info',
  memory: 'warn',
  'protocol-error': 'info',
  'not-stored': 'warn',
};
