import { integer, list, PORT, text } from './setting.ts';

/** Where a node is called, and by whom over HTTP. */
export const LISTEN_SETTINGS = {
  PENSTOCK_BIND_ADDRESS: text(
    '127.0.0.1',
    'The address to listen on; 0.0.0.0 = every one. All but 127.0.0.1 and the like need a login (PENSTOCK_LOGIN).',
  ),
  PENSTOCK_GRPC_PORT: integer(9090, 'The gRPC port; 0 = any free one.', PORT),
  PENSTOCK_HTTP_PORT: integer(
    8080,
    'The port of JSON over HTTP, /metrics and /health, and of an ingress MQTT over WebSocket (/mqtt); 0 = any free one.',
    PORT,
  ),
  PENSTOCK_HTTP_HOSTS: list(
    [],
    'Names by which the HTTP port may be called, and whose web pages may call it, beside IP addresses, localhost and names without a dot.',
  ),
};
