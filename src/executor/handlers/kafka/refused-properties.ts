const CREDENTIALS = 'use the field sasl';
const CERTIFICATES = 'use the field tls with PEM';
const BYTES = 'keys and values are written as they are: leave it out';
const CLASSES = 'names a Java class, which cannot be loaded here: leave it out';
const METRICS = 'the executor has metrics of its own: leave it out';
const SOCKETS = 'the operating system sizes the buffers of connections: leave it out';
const NO_TRANSACTIONS = 'there are no transactions here: leave it out';

/** What to do instead, by the names of properties or their beginnings; the longest one counts. */
const INSTEAD: Readonly<Record<string, string>> = {
  'bootstrap.servers': 'use the field bootstrap_servers',
  'client.id': 'use the field client_id_prefix',
  'client.dns.lookup': 'every address of a name is tried: leave it out',
  'client.rack': 'has no meaning for a producer: leave it out',
  'key.serializer': BYTES,
  'value.serializer': BYTES,
  'max.block.ms': 'use delivery.pack_processing_timeout, which bounds the whole attempt',
  'send.buffer.bytes': SOCKETS,
  'receive.buffer.bytes': SOCKETS,
  'socket.connection.setup.timeout.max.ms':
    'use socket.connection.setup.timeout.ms: the timeout does not grow',
  'transactional.id': NO_TRANSACTIONS,
  'transaction.': NO_TRANSACTIONS,
  'partitioner.': 'the partitioner is that of the Java client: leave it out',
  'interceptor.classes': CLASSES,
  'metric.reporters': CLASSES,
  'metrics.': METRICS,
  'enable.metrics.push': METRICS,
  'auto.include.jmx.reporter': METRICS,
  'security.providers': CLASSES,
  'compression.': 'compresses with the level of its codec by default: leave it out',
  'metadata.': 'metadata are kept for metadata.max.age.ms: leave it out',
  'config.providers': 'there are no providers of configuration here: write the value itself',
  'sasl.oauthbearer.token.endpoint.url': 'use the field sasl.token_endpoint_url',
  'sasl.oauthbearer.scope': 'use the field sasl.scopes',
  'sasl.kerberos.': 'there is no Kerberos here: use another SASL mechanism in the field sasl',
  'sasl.': CREDENTIALS,
  'ssl.protocol': 'use ssl.enabled.protocols',
  'ssl.keystore.location': `names a file, which is not read: ${CERTIFICATES}`,
  'ssl.truststore.location': `names a file, which is not read: ${CERTIFICATES}`,
  'ssl.cipher.suites': 'the cipher suites are those of the executor: leave it out',
  'ssl.': CERTIFICATES,
};

const SECRET = /password|passphrase|secret|jaas|credential|\.key$|(^|[._])token$|user\.info/i;

/** Whether a property would hold a secret, which other properties are no place for. */
export const isSecretProperty = (name: string) => SECRET.test(name);

/** Why a property is refused, and what to do instead. */
export function whyRefused(name: string): string {
  if (isSecretProperty(name)) {
    const where = name.startsWith('ssl.') ? 'tls.private_key and tls.private_key_password' : 'sasl';
    return `is a secret, and other properties can be read back: use ${where}`;
  }
  const known = Object.keys(INSTEAD)
    .filter((one) => name === one || (one.endsWith('.') && name.startsWith(one)))
    .toSorted((a, b) => b.length - a.length)[0];
  return known === undefined
    ? 'is no property of the Java producer that can be honoured here'
    : INSTEAD[known]!;
}
