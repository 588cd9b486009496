/** What to do about an error of a connection, by the codes and names in it or its causes; the first counts. */
const ADVICE: readonly (readonly [code: RegExp, advice: string])[] = [
  [/^(ENOTFOUND|EAI_AGAIN)$/, 'check the host, and the DNS of this executor'],
  [/^ECONNREFUSED$/, 'nothing listens there: check host and port, and that it runs'],
  [
    /^(EHOSTUNREACH|ENETUNREACH|ETIMEDOUT)$/,
    'there is no way there: check the address, routes and firewalls',
  ],
  [
    /^(ECONNRESET|EPIPE|UND_ERR_SOCKET)$/,
    'it hangs up: check that http or https is right, and whether it wants a client certificate (tls)',
  ],
  [
    /^(SELF_SIGNED_CERT_IN_CHAIN|DEPTH_ZERO_SELF_SIGNED_CERT|UNABLE_TO_(VERIFY_LEAF_SIGNATURE|GET_ISSUER_CERT(_LOCALLY)?))$/,
    'its certificate is not trusted: put the authority that signed it into tls.ca_cert',
  ],
  [/^CERT_HAS_EXPIRED$/, 'its certificate has expired: it must be renewed there'],
  [/^CERT_NOT_YET_VALID$/, 'its certificate is not valid yet: check the clocks'],
  [/^ERR_TLS_CERT_ALTNAME_INVALID$/, 'its certificate is for another name: use that one as the host'],
  [
    /^ERR_SSL_(TLSV1[0-9]?|SSLV3|TLS)_ALERT_(CERTIFICATE_REQUIRED|BAD_CERTIFICATE|UNKNOWN_CA|CERTIFICATE_\w+|HANDSHAKE_FAILURE)$/,
    'it does not take the client certificate, or wants one: check tls.cert and tls.private_key',
  ],
  [/^(EPROTO|ERR_SSL_\w+)$/, 'the TLS handshake failed: check that it speaks TLS on that port'],
  [/^(HPE_\w+|HTTPParserError)$/, 'it does not speak HTTP/1.1: check port and scheme'],
];

/** Advice for people about an error; undefined: none. */
export function adviceFor(error: unknown): string | undefined {
  for (const code of codesOf(error)) {
    const advice = ADVICE.find(([pattern]) => pattern.test(code))?.[1];
    if (advice !== undefined) return advice;
  }
  return undefined;
}

/** The codes and names of an error and of its causes. */
function codesOf(error: unknown): readonly string[] {
  if (!(error instanceof Error)) return [];
  const own = 'code' in error && typeof error.code === 'string' ? [error.code, error.name] : [error.name];
  return [...own, ...codesOf(error.cause)];
}
