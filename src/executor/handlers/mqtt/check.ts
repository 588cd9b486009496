import { type MqttConfiguration, MqttVersion } from '../../../../gen/penstock/v1/mqtt_pb.ts';
import { messageOf } from '../../../runtime/logger.ts';
import type { CheckResult, ConnectionFault, HandlerContext } from '../handler.ts';
import { ConnectionError } from './course.ts';
import { checkIdentities, type Identity } from './identities.ts';
import { isAboutIdentity } from './reason-code.ts';
import { Session } from './session.ts';
import { addressOf } from './stream.ts';

const VERSIONS: ReadonlyMap<MqttVersion, string> = new Map([
  [MqttVersion.MQTT_VERSION_3_1, 'MQTT 3.1'],
  [MqttVersion.MQTT_VERSION_5_0, 'MQTT 5.0'],
]);

/**
 * Connects, under client ids of its own, with each of the configuration's credentials. Publishes nothing: whether a topic
 * is allowed only a message can tell.
 */
export async function check(
  config: MqttConfiguration,
  context: HandlerContext,
  signal: AbortSignal,
): Promise<CheckResult> {
  const version = VERSIONS.get(config.mqttVersion) ?? 'MQTT 3.1.1';
  const identities = checkIdentities(config, context);
  const problems = await Promise.all(
    identities.map((identity) => problemOf(config, identity, context, signal)),
  );
  const problem = problems.find((one) => one !== undefined);
  if (problem !== undefined) return { reachable: false, ...problem };
  const users = identities.length === 1 ? '' : ` with each of ${identities.length} credentials`;
  return {
    reachable: true,
    message: `connected to ${addressOf(config)} over ${version}${users}`,
    isAuthenticated: identities.some(({ username }) => username !== undefined),
  };
}

/** The field that says where a connection goes, or how it is secured. */
export function fieldOf({ port, tls, credentials }: MqttConfiguration, { step }: ConnectionFault): string {
  if (step === 'look-up') return 'host';
  if (step === 'TCP') return port === undefined ? 'host' : 'port';
  if (credentials?.credentials.case === 'pem') return 'credentials.pem';
  return tls ? 'tls' : 'ssl';
}

type Problem = Pick<CheckResult, 'message' | 'fault' | 'field'>;

/** Undefined: the broker lets it in. */
async function problemOf(
  config: MqttConfiguration,
  identity: Identity,
  context: HandlerContext,
  signal: AbortSignal,
): Promise<Problem | undefined> {
  try {
    const session = await Session.open(config, identity, context, signal);
    await session.end(context);
    return undefined;
  } catch (error) {
    const who = config.staticClientIds.length > 0 && identity.username ? `user ${identity.username}: ` : '';
    const message = who + messageOf(error) + hintOf(config, identity, error);
    return { message, ...placeOf(config, error) };
  }
}

/** Where the fault is, of a connection that was made. */
function placeOf({ staticClientIds }: MqttConfiguration, error: unknown): Pick<Problem, 'fault' | 'field'> {
  if (!(error instanceof ConnectionError)) return {};
  const { code, stage } = error;
  if (code !== undefined && isAboutIdentity(code)) {
    const field = staticClientIds.length > 0 ? 'static_client_ids' : 'credentials';
    return { fault: 'authentication', field };
  }
  if (code !== undefined || stage === 'connack') return { fault: 'protocol', field: 'mqtt_version' };
  return stage === 'upgrade' ? { fault: 'protocol', field: 'websocket_path' } : {};
}

/** A broker may know the credentials only together with the client id that the check does not use. */
function hintOf(config: MqttConfiguration, identity: Identity, error: unknown): string {
  const isFixed = config.clientId !== '' || config.staticClientIds.length > 0;
  if (!isFixed || !(error instanceof ConnectionError) || !isAboutIdentity(error.code ?? 0)) return '';
  return (
    `. The check came as ${identity.clientId}, so as not to cut a running connection: a broker that lets in only the ` +
    'configured client id refuses it, though the integration may connect'
  );
}
