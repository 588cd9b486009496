/** Why a connection ended: a label of `penstock_mqtt_disconnects_total`. */
export type EndReason =
  | 'disconnect'
  | 'lost'
  | 'no-connect'
  | 'refused'
  | 'keep-alive'
  | 'packet-timeout'
  | 'taken-over'
  | 'memory'
  | 'protocol-error'
  | 'not-stored'
  | 'shutdown';

/** Ends that somebody will ask about; the others are everyday. */
export const LEVELS: Partial<Record<EndReason, 'info' | 'warn'>> = {
  refused: 'info',
  'packet-timeout': 'info',
  memory: 'warn',
  'protocol-error': 'info',
  'not-stored': 'warn',
};
