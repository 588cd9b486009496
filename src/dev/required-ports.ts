import { once } from 'node:events';
import { createServer, type Server } from 'node:net';
import { messageOf } from '../runtime/logger.ts';
import type { SettingName, Settings } from '../runtime/settings.ts';
import { UserError } from '../runtime/user-error.ts';

const PORTS = [
  ['PENSTOCK_GRPC_PORT', '--grpc-port'],
  ['PENSTOCK_HTTP_PORT', '--http-port'],
  ['PENSTOCK_MQTT_PORT', '--mqtt-port'],
] as const satisfies readonly (readonly [SettingName, string])[];

type Ports = Pick<Settings, 'PENSTOCK_BIND_ADDRESS' | (typeof PORTS)[number][0]>;

/**
 * Takes every port that the settings name, all at once so that none is named twice, and gives them back.
 * @throws UserError when one cannot be had
 */
export async function requireFreePorts(settings: Ports): Promise<void> {
  const servers: Server[] = [];
  try {
    for (const [name, option] of PORTS) {
      const server = createServer();
      servers.push(server);
      await listen(server, settings.PENSTOCK_BIND_ADDRESS, settings[name], option);
    }
  } finally {
    for (const server of servers) server.close();
  }
}

async function listen(server: Server, host: string, port: number, option: string): Promise<void> {
  try {
    server.listen(port, host);
    await once(server, 'listening');
  } catch (cause) {
    const isTaken = (cause as NodeJS.ErrnoException).code === 'EADDRINUSE';
    const message = isTaken
      ? `port ${port} is in use: free it, or choose another with ${option}`
      : `cannot listen on ${host}, port ${port} (${messageOf(cause)}): check PENSTOCK_BIND_ADDRESS and ${option}`;
    throw new UserError(message, { cause });
  }
}
