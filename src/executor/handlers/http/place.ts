import type { HttpConfiguration } from '../../../../gen/penstock/v1/http_pb.ts';
import type { ConnectionFault } from '../handler.ts';

/** What errors of certificates are called. */
const CERTIFICATE = /CERT|SELF_SIGNED|UNABLE_TO_/;

/** The field that says where a connection goes, or how it is secured. */
export function fieldOf(config: HttpConfiguration, { step, host, error }: ConnectionFault): string {
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  if (step === 'TLS' && CERTIFICATE.test(code))
    return config.credentials?.credentials.case === 'pem' ? 'credentials.pem' : 'tls';
  const isAt = (url: string) => URL.parse(url)?.hostname.replace(/^\[(.*)\]$/, '$1') === host;
  if (config.proxyUrl !== '' && isAt(config.proxyUrl)) return 'proxy_url';
  const own = config.credentials?.credentials;
  const isOwn = isAt(/^[^/]*\/\/[^/?#]*/.exec(config.restEndpointUrl)?.[0] ?? '');
  if (!isOwn && own?.case === 'oauth2' && isAt(own.value.tokenUrl)) return 'credentials.oauth2.token_url';
  return 'rest_endpoint_url';
}
