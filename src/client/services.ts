import type { DescService } from '@bufbuild/protobuf';
import { type CallOptions, type Client, createClient, type Transport } from '@connectrpc/connect';
import { AuditService } from '../../gen/penstock/v1/audit_service_pb.ts';
import { AuthService } from '../../gen/penstock/v1/auth_service_pb.ts';
import { ClusterService } from '../../gen/penstock/v1/cluster_service_pb.ts';
import { DeadLetterService } from '../../gen/penstock/v1/dead_letter_service_pb.ts';
import { EventService } from '../../gen/penstock/v1/event_service_pb.ts';
import { IntegrationService } from '../../gen/penstock/v1/integration_service_pb.ts';
import { MessageLogService } from '../../gen/penstock/v1/message_log_service_pb.ts';
import { MessageService } from '../../gen/penstock/v1/message_service_pb.ts';
import { ReplayService } from '../../gen/penstock/v1/replay_service_pb.ts';
import { RevisionService } from '../../gen/penstock/v1/revision_service_pb.ts';
import { StatisticsService } from '../../gen/penstock/v1/statistics_service_pb.ts';
import { SystemService } from '../../gen/penstock/v1/system_service_pb.ts';
import { TokenService } from '../../gen/penstock/v1/token_service_pb.ts';
import { UserService } from '../../gen/penstock/v1/user_service_pb.ts';
import { WatchService } from '../../gen/penstock/v1/watch_service_pb.ts';
import { toPenstockError } from './penstock-error.ts';

/** Every service of the API, by the name that it has in the client. */
export const SERVICES = {
  integrations: IntegrationService,
  revisions: RevisionService,
  events: EventService,
  watch: WatchService,
  statistics: StatisticsService,
  messages: MessageService,
  messageLog: MessageLogService,
  deadLetters: DeadLetterService,
  replays: ReplayService,
  cluster: ClusterService,
  system: SystemService,
  auth: AuthService,
  tokens: TokenService,
  users: UserService,
  audit: AuditService,
} as const;

/**
 * The services of Penstock, each RPC a method. A unary one answers with a promise, a streaming one with an async iterable,
 * which ends the call when it is left. Both take `{ timeoutMs, signal, headers }` as their second argument. Nothing is
 * tried again by itself.
 */
export type Services = { readonly [K in keyof typeof SERVICES]: Client<(typeof SERVICES)[K]> };

/** How every call is made, over any transport. */
export interface CallDefaults {
  /** Who calls: goes along as `authorization: Bearer …`. A function is asked before each call, for one that expires. */
  readonly token?: string | (() => string | Promise<string>) | undefined;
  /** Milliseconds a unary call may take, unless it says so itself; 0: without end. Unset: 30,000. A stream has no limit. */
  readonly timeoutMs?: number | undefined;
}

const TIMEOUT = 30_000;

/**
 * The services over a transport.
 * @param isClosed whether the caller has closed the connection
 */
export function servicesOver(
  transport: Transport,
  defaults: CallDefaults,
  isClosed: () => boolean = () => false,
): Services {
  const calling = callingWith(transport, defaults, isClosed);
  const clients = Object.entries(SERVICES).map(([name, service]) => [name, clientOver(service, calling)]);
  return Object.fromEntries(clients) as Services;
}

/** One service over a transport of `callingWith`. */
export const clientOver = <S extends DescService>(service: S, calling: Transport): Client<S> =>
  endingStreams(service, createClient<DescService>(service, calling)) as Client<S>;

/** The transport with the token, the deadline and the errors that calls of Penstock have. */
export function callingWith(
  transport: Transport,
  { token, timeoutMs: limit = TIMEOUT }: CallDefaults,
  isClosed: () => boolean = () => false,
): Transport {
  const headersOf = async (given: ConstructorParameters<typeof Headers>[0]): Promise<Headers> => {
    const headers = new Headers(given);
    const bearer = typeof token === 'function' ? await token() : token;
    if (bearer !== undefined) headers.set('authorization', `Bearer ${bearer}`);
    return headers;
  };
  const errorOf = (error: unknown, signal: AbortSignal | undefined) =>
    toPenstockError(error, signal?.aborted === true || isClosed());
  return {
    async unary(method, signal, timeoutMs, headers, input, context) {
      try {
        const sent = await headersOf(headers);
        return await transport.unary(method, signal, timeoutMs ?? limit, sent, input, context);
      } catch (error) {
        throw errorOf(error, signal);
      }
    },
    async stream(method, signal, timeoutMs, headers, input, context) {
      async function* telling<T>(messages: AsyncIterable<T>): AsyncIterable<T> {
        try {
          yield* messages;
        } catch (error) {
          throw errorOf(error, signal);
        }
      }
      try {
        const sent = await headersOf(headers);
        const response = await transport.stream(method, signal, timeoutMs, sent, input, context);
        return { ...response, message: telling(response.message) };
      } catch (error) {
        throw errorOf(error, signal);
      }
    },
  };
}

type Stream = (request: unknown, options?: CallOptions) => AsyncIterable<unknown>;

/** The client with streams that end their call when they are left: Connect's go on. */
function endingStreams(service: DescService, client: Client<DescService>): object {
  const streams = service.methods
    .filter(({ methodKind }) => methodKind === 'server_streaming')
    .map(({ localName }) => {
      const start = client[localName] as unknown as Stream;
      return [localName, (request: unknown, options?: CallOptions) => untilLeft(start, request, options)];
    });
  return { ...client, ...Object.fromEntries(streams) };
}

async function* untilLeft(start: Stream, request: unknown, options: CallOptions = {}) {
  const left = new AbortController();
  const { signal } = options;
  const abort = () => left.abort(signal?.reason);
  if (signal?.aborted) abort();
  signal?.addEventListener('abort', abort, { once: true });
  try {
    yield* start(request, { ...options, signal: left.signal });
  } finally {
    signal?.removeEventListener('abort', abort);
    left.abort();
  }
}
