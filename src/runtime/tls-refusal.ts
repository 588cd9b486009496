/** Why one of two sides did not speak TLS with the other one. */
export type TlsRefusal = 'untrusted' | 'expired' | 'other-name' | 'certificate-wanted' | 'no-tls';

/** By what Node and OpenSSL say. */
const SAID: readonly (readonly [RegExp, TlsRefusal])[] = [
  [/unable to (verify the first|get (local )?issuer)|self-signed/, 'untrusted'],
  [/certificate has expired|certificate is not yet valid/, 'expired'],
  [/does not match certificate/, 'other-name'],
  [
    /alert (bad certificate|certificate (required|unknown|expired|revoked)|unsupported certificate|unknown ca)/,
    'certificate-wanted',
  ],
  [/before secure TLS connection|does not support SSL/, 'no-tls'],
];

/** What a message of an error of a connection tells of TLS; undefined: it is about something else. */
export const tlsRefusal = (told: string): TlsRefusal | undefined =>
  SAID.find(([pattern]) => pattern.test(told))?.[1];
