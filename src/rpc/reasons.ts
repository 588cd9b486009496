import { Code } from '../../gen/google/rpc/code_pb.ts';

/** A reason of an error, for programs. */
interface Meaning<C extends Code = Code> {
  /** With which codes it comes. */
  readonly codes: readonly C[];
  /** When it comes. */
  readonly when: string;
  /** What the caller does then. */
  readonly todo: string;
}

const meaning = <C extends Code>(codes: readonly C[], when: string, todo: string): Meaning<C> => ({
  codes,
  when,
  todo,
});

const again = 'Call again, after a pause that grows.';

/**
 * The reasons in the `google.rpc.ErrorInfo` (domain `penstock.v1`) of errors. They are part of the API: none is taken away, and none
 * gets another meaning or another code; new ones may come. Texts of errors may change.
 */
export const REASONS = {
  BUSY: meaning([Code.UNAVAILABLE], 'The node is asked for too many sessions at once.', again),
  CONCURRENT_CHANGES: meaning(
    [Code.ABORTED],
    'Others changed the integration again and again while it was to be changed.',
    'Call again.',
  ),
  CREATED_AND_DELETED: meaning(
    [Code.ABORTED],
    'The integration that was made by the same request (`request_id`) is deleted already.',
    'Call again, if there is to be one.',
  ),
  DATABASE_UNAVAILABLE: meaning(
    [Code.UNAVAILABLE],
    'PostgreSQL cannot be reached, or does not answer.',
    again,
  ),
  DEAD_LETTERS_LOOKED_AT: meaning(
    [Code.UNAVAILABLE],
    'The dead letters are being looked at for longer than a call waits.',
    'Call again.',
  ),
  ETAG_MISMATCH: meaning(
    [Code.ABORTED],
    'The etag that was given is not the current one: the integration has changed since it was read.',
    'Read it again and repeat the change.',
  ),
  INTEGRATION_DISABLED: meaning(
    [Code.FAILED_PRECONDITION],
    'A disabled integration is to be restarted.',
    'Call EnableIntegration, which starts it.',
  ),
  KAFKA_UNAVAILABLE: meaning([Code.UNAVAILABLE], 'Kafka cannot be reached, or does not answer.', again),
  LOGINS_BUSY: meaning([Code.RESOURCE_EXHAUSTED], 'Too many log in at once.', 'Try again in some seconds.'),
  LOGIN_FAILED: meaning(
    [Code.UNAUTHENTICATED],
    'The name and the password do not fit together, or the token lets nobody in.',
    'Look at both, or ask an admin for a new password.',
  ),
  MALFORMED: meaning(
    [Code.INVALID_ARGUMENT],
    'What came over gRPC is no message of the kind that the RPC takes.',
    'Use a client that is made from the schema.',
  ),
  NAME_TAKEN: meaning(
    [Code.ALREADY_EXISTS],
    'There is a user of this name already.',
    'Take another name, or change that user.',
  ),
  NOT_FOUND: meaning(
    [Code.NOT_FOUND],
    'What the request names is not known, not any more, or not for this caller to see.',
    'Look at the id. After a deletion that is repeated: it is done.',
  ),
  NOT_PUBLISHED: meaning(
    [Code.UNAVAILABLE],
    'It is saved, but Kafka did not take it in time, so other nodes do not know yet.',
    'They will when Kafka is back: repeat the call to wait for it, or go on.',
  ),
  NOT_STORED: meaning([Code.UNAVAILABLE], 'Kafka did not take the message in time.', 'Send it again.'),
  NO_EXECUTOR: meaning(
    [Code.DEADLINE_EXCEEDED],
    'No executor answered: nothing was saved.',
    'Start an executor that serves the type, then call again.',
  ),
  NO_LOGIN: meaning(
    [Code.FAILED_PRECONDITION],
    'Somebody is to log in, and no login is configured: whoever reaches the node may do everything.',
    'Go on without, or have the operator set PENSTOCK_LOGIN.',
  ),
  NO_PASSWORD: meaning(
    [Code.FAILED_PRECONDITION],
    'A password is to be changed by a caller who has none here.',
    'Log in with a name and a password first.',
  ),
  NO_SECRET_KEY: meaning(
    [Code.FAILED_PRECONDITION],
    'Secrets are to be saved, and the control plane has no key to encrypt them with.',
    'Have the operator set PENSTOCK_SECRET_KEYS_FILE or PENSTOCK_SECRET_KEYS.',
  ),
  NO_SESSION: meaning(
    [Code.FAILED_PRECONDITION],
    'A session is to be ended by a caller who has none.',
    'Nothing: there is none to end.',
  ),
  OUT_OF_SCOPE: meaning(
    [Code.PERMISSION_DENIED],
    'The call would make or name something that is not among the integrations that the caller is limited to.',
    'Do as the text says, or call as somebody without a scope.',
  ),
  PROVIDER_UNAVAILABLE: meaning(
    [Code.UNAVAILABLE],
    'The OpenID Connect provider whose keys a token needs has not answered as it should for an hour, or since the node started.',
    again,
  ),
  RATE_LIMITED: meaning(
    [Code.RESOURCE_EXHAUSTED],
    'There were too many tries in a short time.',
    'Wait as long as the text and the `google.rpc.RetryInfo` say, then try again.',
  ),
  REDRIVE_RUNNING: meaning(
    [Code.FAILED_PRECONDITION],
    'Another redrive or purge of the same dead letters is running.',
    'Wait for its end, or cancel it.',
  ),
  ROLE_NEEDED: meaning(
    [Code.PERMISSION_DENIED],
    'The role of the caller is too small.',
    'Ask an admin for a token of that role.',
  ),
  SCOPE_TOO_NARROW: meaning(
    [Code.PERMISSION_DENIED],
    'The call concerns more than the integrations that the caller is limited to.',
    'Call as somebody without a scope.',
  ),
  SLOW_READER: meaning(
    [Code.RESOURCE_EXHAUSTED],
    'What the server had to send was not read in time.',
    'Read faster, or ask for less; then call again.',
  ),
  STARTING: meaning([Code.UNAVAILABLE], 'The node is starting.', again),
  STOPPING: meaning(
    [Code.UNAVAILABLE],
    'The node is stopping.',
    'Call again: another node answers, or this one when it is back.',
  ),
  TOO_LARGE: meaning(
    [Code.RESOURCE_EXHAUSTED],
    'The message is larger than Kafka takes, or a request over REST than 4 MiB, where no login is asked for 16 KiB.',
    'Send a smaller one.',
  ),
  TOO_MANY_REDRIVES: meaning(
    [Code.RESOURCE_EXHAUSTED],
    'As many redrives are running as may.',
    'Wait for the end of one, or cancel one.',
  ),
  TOO_MANY_REPLAYS: meaning(
    [Code.RESOURCE_EXHAUSTED],
    'As many replays are running as may.',
    'Wait for the end of one, or cancel one.',
  ),
  TOO_MANY_TOKENS: meaning(
    [Code.RESOURCE_EXHAUSTED],
    'There are as many API tokens as may be.',
    'Revoke those that nobody uses.',
  ),
  TOO_MANY_USERS: meaning(
    [Code.RESOURCE_EXHAUSTED],
    'There are as many users as may be.',
    'Delete those who log in no more.',
  ),
  TOO_MANY_WATCHES: meaning(
    [Code.RESOURCE_EXHAUSTED],
    'As many callers watch on this node as may.',
    'End a watch, or watch on another node.',
  ),
  TOO_MUCH_WAITING: meaning(
    [Code.RESOURCE_EXHAUSTED],
    'Too many messages wait for Kafka.',
    'Send it again later.',
  ),
  TOPIC_BEING_DELETED: meaning(
    [Code.UNAVAILABLE],
    'The message topic of an integration that was disabled for long is being deleted at this moment.',
    'Call again.',
  ),
  TOO_MANY_CALLS: meaning(
    [Code.RESOURCE_EXHAUSTED],
    'The node is answering as many calls as it may.',
    'Call again later, or another node.',
  ),
  TOO_MANY_CALLS_OF_CALLER: meaning(
    [Code.RESOURCE_EXHAUSTED],
    'As many calls of the caller, or of its address, are being answered as may be.',
    'Wait for one to end, or end a stream.',
  ),
  TOPIC_DELETED: meaning(
    [Code.FAILED_PRECONDITION],
    'The integration is disabled for long and has no message topic any more.',
    'Enable it first.',
  ),
  UNAUTHENTICATED: meaning(
    [Code.UNAUTHENTICATED],
    'The call shows nobody who is let in.',
    'Give a token that has not ended: `authorization: Bearer <token>`.',
  ),
  UNKNOWN_TYPE: meaning(
    [Code.FAILED_PRECONDITION],
    'The integration is of a type that only newer versions know.',
    'Upgrade the control plane.',
  ),
} as const;

export type Reason = keyof typeof REASONS;
/** The codes that a reason comes with. */
export type CodeOf<R extends Reason> = (typeof REASONS)[R]['codes'][number];
