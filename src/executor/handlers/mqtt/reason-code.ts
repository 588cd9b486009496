import { FailureClass } from '../../../../gen/penstock/v1/envelope_pb.ts';
import { masked } from '../../../contract/masked.ts';
import type { Cut, Failure } from '../handler.ts';

interface Reason {
  readonly name: string;
  /** What to do when a connection is refused or ended with it. */
  readonly advice?: string;
}

const CREDENTIALS = 'check the user name, the password and the client certificate';
const PERMISSION = 'check the credentials, and what the broker allows this client id';
const CLIENT_ID = 'set another client_id';
const VERSION = 'set another mqtt_version';

/** The return codes of CONNACK up to MQTT 3.1.1, and the reason codes of MQTT 5.0 (section 2.4). */
const REASONS: ReadonlyMap<number, Reason> = new Map([
  [1, { name: 'unacceptable protocol version', advice: VERSION }],
  [2, { name: 'identifier rejected', advice: CLIENT_ID }],
  [3, { name: 'server unavailable' }],
  [4, { name: 'bad user name or password', advice: CREDENTIALS }],
  [5, { name: 'not authorized', advice: PERMISSION }],
  [0x80, { name: 'unspecified error' }],
  [0x81, { name: 'malformed packet' }],
  [0x82, { name: 'protocol error' }],
  [0x83, { name: 'implementation specific error' }],
  [0x84, { name: 'unsupported protocol version', advice: VERSION }],
  [0x85, { name: 'client identifier not valid', advice: CLIENT_ID }],
  [0x86, { name: 'bad user name or password', advice: CREDENTIALS }],
  [0x87, { name: 'not authorized', advice: PERMISSION }],
  [0x88, { name: 'server unavailable' }],
  [0x89, { name: 'server busy' }],
  [0x8a, { name: 'banned', advice: 'ask whoever runs the broker' }],
  [0x8b, { name: 'server shutting down' }],
  [
    0x8c,
    { name: 'bad authentication method', advice: 'the broker wants an authentication that is not supported' },
  ],
  [0x8d, { name: 'keep alive timeout' }],
  [
    0x8e,
    {
      name: 'session taken over',
      advice: 'another client connected with the same client id: give each its own',
    },
  ],
  [0x90, { name: 'topic name invalid' }],
  [0x91, { name: 'packet identifier in use' }],
  [0x92, { name: 'packet identifier not found' }],
  [0x93, { name: 'receive maximum exceeded', advice: 'set a lower max_in_flight' }],
  [0x94, { name: 'topic alias invalid' }],
  [0x95, { name: 'packet too large' }],
  [0x96, { name: 'message rate too high' }],
  [0x97, { name: 'quota exceeded' }],
  [0x98, { name: 'administrative action', advice: 'ask whoever runs the broker' }],
  [0x99, { name: 'payload format invalid' }],
  [0x9a, { name: 'retain not supported', advice: 'set use_msg_retain to false' }],
  [0x9b, { name: 'QoS not supported', advice: 'set use_msg_qos to false and a lower qos' }],
  [0x9c, { name: 'use another server' }],
  [0x9d, { name: 'server moved' }],
  [0x9f, { name: 'connection rate exceeded' }],
  [0xa0, { name: 'maximum connect time' }],
]);

/** The reason codes of MQTT 5.0 that stand for a failure. */
export const REASON_NAMES: readonly (readonly [number, string])[] = [...REASONS]
  .filter(([code]) => code >= 0x80)
  .map(([code, { name }]) => [code, name]);

export const SESSION_TAKEN_OVER = 0x8e;
const IDENTITY: ReadonlySet<number> = new Set([2, 5, 0x85, 0x87]);

/** Whether a CONNECT may have been refused for its client id. */
export const isAboutIdentity = (code: number) => IDENTITY.has(code);

const FAILURE_CLASSES: ReadonlyMap<number, FailureClass> = new Map([
  [0x90, FailureClass.REJECTED],
  [0x95, FailureClass.TOO_LARGE],
  [0x96, FailureClass.THROTTLED],
  [0x97, FailureClass.THROTTLED],
  [0x99, FailureClass.REJECTED],
]);

/** With these a broker that ends a connection speaks of what it was sent. */
const ABOUT_SENT: ReadonlySet<number> = new Set([0x81, 0x82, 0x90, 0x95, 0x99, 0x9a, 0x9b]);
/** With these it may do so: brokers have no other one for a topic that is not allowed, or a payload over a quota. */
const MAYBE_ABOUT_SENT: ReadonlySet<number> = new Set([0x80, 0x83, 0x87, 0x97]);

/** Whether a connection that was ended with this code was so for a message. */
export function isForMessage(code: number): Cut['isForOne'] {
  if (ABOUT_SENT.has(code)) return 'surely';
  return MAYBE_ABOUT_SENT.has(code) ? 'maybe' : 'no';
}

/** The class of a message for which a connection was ended with this code. */
export const classOfCulprit = (code: number): FailureClass =>
  FAILURE_CLASSES.get(code) ?? FailureClass.REJECTED;

/** A broker's words along with a code: MQTT 5's reason string and server reference. */
export interface Words {
  readonly reasonString?: string | undefined;
  readonly serverReference?: string | undefined;
}

/** Of what a broker says, this much goes into a reason. */
const EXCERPT = 200;

/** What the broker said, cut short, without the password that it was told. */
export function wordsOf(said: Words | undefined, password: string | undefined): Words {
  const safe = (text: string | undefined) =>
    text && masked(text.slice(0, EXCERPT), password === undefined ? [] : [password]);
  return { reasonString: safe(said?.reasonString), serverReference: safe(said?.serverReference) };
}

/** `not authorized (code 135)`, with what the broker says of it. */
function named(code: number, { reasonString, serverReference }: Words = {}): string {
  const name = REASONS.get(code)?.name ?? 'a reason that is not known';
  const more = [reasonString, serverReference && `it names ${serverReference}`].filter(Boolean);
  return [`${name} (code ${code})`, ...more].join(': ');
}

/** Why a broker refused or ended a connection, and what can be done. */
export function connectionReason(code: number, words?: Words): string {
  const advice = REASONS.get(code)?.advice;
  return named(code, words) + (advice ? `; ${advice}` : '');
}

/**
 * A failed publication, by the code of its PUBACK or PUBREC. What speaks of the message itself is final; everything else
 * may pass, also not authorized, since permissions get mended.
 */
export function publishFailure(code: number, words?: Words): Failure {
  return {
    delivered: false,
    failureClass: FAILURE_CLASSES.get(code) ?? FailureClass.UNAVAILABLE,
    reason: `the broker refused the message: ${named(code, words)}`,
  };
}
