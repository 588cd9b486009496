import { FailureClass } from '../../../gen/penstock/v1/envelope_pb.ts';
import type { ConfigOf, Type } from '../../contract/integration-type.ts';
import type { FieldViolation } from '../../contract/validate.ts';
import type { PlacedEnvelope, WritingContext } from '../../contract/written-message.ts';
import type { Clock } from '../../runtime/clock.ts';
import type { TargetGuard } from '../../runtime/target-guard.ts';
import type { TrialRecord } from './trial-record.ts';

/** An envelope on its way out. */
export interface Outbound extends PlacedEnvelope {
  /** The order key, which names its lane; null = no order. */
  readonly key: string | null;
}

/** What became of one envelope. */
export type Outcome = Delivered | Failure;

export interface Delivered {
  readonly delivered: true;
  /** It was written to the connection, and nobody answers it: that tells nothing of who is at the other end. */
  readonly isUnanswered?: true;
}

export const DELIVERED: Delivered = { delivered: true };
export const WRITTEN: Delivered = { delivered: true, isUnanswered: true };

export interface Failure {
  readonly delivered: false;
  readonly failureClass: FailureClass;
  /** For people; never a secret. */
  readonly reason: string;
  /** The pause the external system asked for, in milliseconds. */
  readonly retryAfter?: number;
  /** The pack failed as one, and any of its messages may be at fault: the same failure for each of them. */
  readonly ofPack?: boolean;
  /** It did not leave, for one before it in its lane failed: this was no try, and it leaves again behind that one. */
  readonly isHeld?: boolean;
  /** The connection that it was on was lost before it was answered. */
  readonly cut?: Cut;
}

/** A connection that was lost with messages on it. */
export interface Cut {
  /** Whether other messages were on it, too: then it was no try of any of them. */
  readonly isShared: boolean;
  /** Whether it was lost for what one of them is. */
  readonly isForOne: 'surely' | 'maybe' | 'no';
}

/** Classes that another try cannot mend. Everything else, also what is not known, is worth one. */
const HOPELESS: ReadonlySet<FailureClass> = new Set([
  FailureClass.REJECTED,
  FailureClass.UNENCODABLE,
  FailureClass.TOO_LARGE,
  FailureClass.EXPIRED,
]);

/** Whether the message is given up for what it is. */
export const isHopeless = ({ failureClass }: Failure): boolean => HOPELESS.has(failureClass);

/** Of what does not leave after this failure of one before it in its lane. */
export const heldBy = ({ failureClass, reason }: Failure): Failure => ({
  delivered: false,
  failureClass,
  reason: `it waits for a message before it: ${reason}`,
  isHeld: true,
});

/** What a handler is told of its surroundings. */
export interface HandlerContext extends WritingContext {
  /** Which share of the integration this is, from 0, out of how many. Each is with one executor at a time. */
  readonly shard: number;
  readonly shards: number;
  /** The window of the delivery: more than this is never on its way. */
  readonly maxInFlight: number;
  /** Connections to one external system at a time, at most. */
  readonly maxConnections: number;
  /** The longest pause that an external system is granted which asks for one, in milliseconds. */
  readonly maxRetryAfter: number;
  /** Opens every connection: refuses targets that are not allowed. */
  readonly guard: TargetGuard;
  /** Keeps what is sent and what comes back, where a delivery is tried. */
  readonly record?: TrialRecord;
  readonly clock: Clock;
  /** A number in [0, 1). */
  random(): number;
}

/** How large the packs are that a handler takes. */
export interface PackLimits {
  readonly maxMessages: number;
  /** Of the envelopes as they are on Kafka; a message that is larger comes alone. */
  readonly maxBytes: number;
  /** How long a pack that is not full may wait for more messages, in milliseconds. Unset: 0. */
  readonly maxWait?: number;
  /**
   * Whether the messages of a lane may be on their way together, as a run: `within` one pack, or `across` packs. Unset: the
   * next one leaves when the one before is settled. A handler that takes runs keeps their order itself: when a message fails
   * that may be tried again, none of its lane behind it arrives before it does; they fail with it or are held, also those that
   * are handed over before its answer is heard. What it tells delivered is delivered, though an earlier one be not.
   */
  readonly runs?: 'within' | 'across';
}

/** One connected destination, owned by one delivery: nobody else calls it. */
export interface Handler extends AsyncDisposable {
  /** Packs it can have on their way at a time; more are not handed to it. */
  readonly parallel: number;
  connect(signal: AbortSignal): Promise<void>;
  /**
   * outcomes[i] belongs to pack[i]. Rejects only when the signal aborts and nothing is known of any of them: a message's own
   * failure is an outcome.
   */
  deliver(pack: readonly Outbound[], signal: AbortSignal): Promise<readonly Outcome[]>;
}

/** What a check of a connection found. */
export interface CheckResult {
  readonly reachable: boolean;
  /** For people. */
  readonly message: string;
  /** What is wrong with what was reached. Unset: nothing, or a connection could not be made. */
  readonly fault?: 'protocol' | 'authentication';
  /** The field at fault, relative to the configuration. Unset: none is known, or that of the connection. */
  readonly field?: string;
  /** Whether it took credentials to be let in. */
  readonly isAuthenticated?: boolean;
}

/** A connection that could not be made. */
export interface ConnectionFault {
  readonly step: 'look-up' | 'TCP' | 'TLS';
  readonly host: string;
  readonly error: unknown;
}

/** A type of external system: how its configurations are judged and turned into handlers. */
export interface HandlerType<T extends Type> {
  pack(config: ConfigOf<T>): PackLimits;
  /** What the schema's rules cannot say; no I/O. Paths are relative to the configuration. */
  validate(config: ConfigOf<T>, guard: TargetGuard): readonly FieldViolation[];
  /** Tries to reach the external system with a client of its own, never the live one. */
  check(config: ConfigOf<T>, context: HandlerContext, signal: AbortSignal): Promise<CheckResult>;
  /** The field that says where a connection goes, or how it is secured, relative to the configuration. */
  fieldOf(config: ConfigOf<T>, fault: ConnectionFault): string;
  /** No I/O. */
  create(config: ConfigOf<T>, context: HandlerContext): Handler;
}
