import { randomBytes } from 'node:crypto';
import { rm, writeFile } from 'node:fs/promises';
import type { KafkaLogin } from './kafka-probe.ts';

/** What keeps other users of this machine out, who reach 127.0.0.1, too: one login, new with each start. */
export const newLogin = (): KafkaLogin => ({
  username: 'penstock',
  password: randomBytes(24).toString('base64url'),
});

const jaas = ({ username, password }: KafkaLogin, more = '') =>
  `org.apache.kafka.common.security.plain.PlainLoginModule required username="${username}" password="${password}"${more};`;

/** Properties of a broker that lets in who has the login; without one, everybody. */
export function listenerProperties(login: KafkaLogin | undefined): Readonly<Record<string, string>> {
  const protocol = login ? 'SASL_PLAINTEXT' : 'PLAINTEXT';
  const map = { 'listener.security.protocol.map': `BROKER:${protocol},CONTROLLER:${protocol}` };
  if (login === undefined) return map;
  const module = jaas(login, ` user_${login.username}="${login.password}"`);
  return {
    ...map,
    'sasl.enabled.mechanisms': 'PLAIN',
    'sasl.mechanism.inter.broker.protocol': 'PLAIN',
    'sasl.mechanism.controller.protocol': 'PLAIN',
    'listener.name.broker.plain.sasl.jaas.config': module,
    'listener.name.controller.plain.sasl.jaas.config': module,
  };
}

/** Properties of a client, as Kafka's own tools read them. */
export function clientProperties(login: KafkaLogin): string {
  return [
    '# For the tools of Kafka: --command-config with this file. The password is new with each start.',
    'security.protocol=SASL_PLAINTEXT',
    'sasl.mechanism=PLAIN',
    `sasl.jaas.config=${jaas(login)}`,
    '',
  ].join('\n');
}

/** Writes a file that nobody else may read. */
export async function writePrivately(path: string, text: string): Promise<void> {
  await rm(path, { force: true }); // one that was there would keep its permissions
  await writeFile(path, text, { flag: 'wx', mode: 0o600 });
}
