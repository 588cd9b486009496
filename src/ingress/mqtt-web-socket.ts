import type { WebSocketService } from '../rpc/web-socket/handshake.ts';
import { type Listener, type ListenerConfig, maxSockets } from './listener/listener.ts';

interface Deps {
  /** Unset: it has not started. */
  listener(): Pick<Listener, 'takeWebSocket' | 'endWebSockets'> | undefined;
  /** Why no client can be taken in; undefined: it can. */
  trouble(): string | undefined;
}

/** MQTT over WebSocket (MQTT 5.0 §6) on the HTTP port, for the same listener as over TCP. */
export function mqttWebSocket(limits: ListenerConfig, { listener, trouble }: Deps): WebSocketService {
  return {
    path: '/mqtt',
    subprotocols: ['mqtt', 'mqttv3.1'], // the latter is what clients of 3.1 say
    maxConnections: maxSockets(limits),
    trouble,
    accept: (socket) => listener()?.takeWebSocket(socket),
    shutDown: () => listener()?.endWebSockets(),
  };
}
