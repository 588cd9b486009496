import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { type Integration, IntegrationSchema } from '../../gen/penstock/v1/integration_pb.ts';
import { MissingValue } from '../../gen/penstock/v1/template_pb.ts';
import { violationsOf } from '../../src/contract/validate.ts';

type Init = Exclude<MessageInitShape<typeof IntegrationSchema>, Integration>;
type Value<T> = Extract<NonNullable<Init['configuration']>, { case: T }>['value'];
/** What it is about, the message, the paths that are wrong with it. */
type Row = readonly [what: string, init: Init, ...paths: string[]];

const URL = 'http://127.0.0.1:9999/in';
const http = (value: Value<'http'>): Init => ({
  configuration: { case: 'http', value: { restEndpointUrl: URL, ...value } },
});
const mqtt = (value: Value<'mqtt'>): Init => ({
  configuration: { case: 'mqtt', value: { host: 'h', ...value } },
});
const kafka = (value: Value<'kafka'>): Init => ({
  configuration: { case: 'kafka', value: { bootstrapServers: ['h:9092'], ...value } },
});
/** The longest that MQTT carries. */
const LONGEST = 'x'.repeat(65_535);
const pause = (seconds: bigint, nanos = 0): Init => ({
  delivery: { pauseBetweenRetries: { seconds, nanos } },
});

function check(title: string, rows: readonly Row[]): void {
  describe(title, () => {
    for (const [what, init, ...paths] of rows) {
      test(`${what}: ${paths.length === 0 ? 'valid' : paths.join(', ')}`, () => {
        const base: Init = { name: 'n', topicFilters: ['a'], ...http({}) };
        const violations = violationsOf(IntegrationSchema, create(IntegrationSchema, { ...base, ...init }));
        assert.deepEqual([...new Set(violations.map(({ field }) => field))], paths);
      });
    }
  });
}

const filterRows = (filters: readonly string[], ...paths: string[]) =>
  filters.map((filter): Row => [JSON.stringify(filter), { topicFilters: [filter] }, ...paths]);

check('topic filters', [
  ...filterRows(['#', '+', '+/+', '/', '//', '/+', 'a', 'a/b', 'a/#', 'a/+/b/#', '+/#', '/#', ' ', 'ü/😀']),
  ...filterRows(['$SYS/#', '$share', '$queue/a', 'a/$share/b']),
  ...filterRows(['a/#/b', 'a+', '+a', 'a#', '#/a', '##', '++', 'a/b#', 'a/+b'], 'topic_filters[0]'),
  ...filterRows(['', 'a\0', '\0', '$share/g/x', '$share/'], 'topic_filters[0]'),
  ['65,535 bytes', { topicFilters: ['a'.repeat(65_535)] }],
  ['65,535 levels', { topicFilters: ['/'.repeat(65_535)] }],
  ['65,536 bytes', { topicFilters: ['a'.repeat(65_536)] }, 'topic_filters[0]'],
  ['more bytes than characters', { topicFilters: ['ü'.repeat(32_768)] }, 'topic_filters[0]'],
  ['none', { topicFilters: [] }, 'topic_filters'],
  ['twice the same', { topicFilters: ['a', 'a'] }, 'topic_filters'],
  ['100', { topicFilters: Array.from({ length: 100 }, (_, i) => `a/${i}`) }],
  ['101', { topicFilters: Array.from({ length: 101 }, (_, i) => `a/${i}`) }, 'topic_filters'],
  ['the second is wrong', { topicFilters: ['a', 'b+'] }, 'topic_filters[1]'],
]);

check('the integration', [
  ['no name', { name: '' }, 'name'],
  ['a name of 255', { name: 'ü'.repeat(255) }],
  ['a name of 256', { name: 'ü'.repeat(256) }, 'name'],
  ['an id', { id: '6f3c1f0e-8b0a-4e57-9c5b-0f6f2f5c9a11' }],
  ['an id that is no UUID', { id: 'x' }, 'id'],
  ['no configuration', { configuration: { case: undefined } }, 'configuration'],
  ['an empty metadata key', { metadata: { '': 'x' } }, 'metadata[""]'],
  ['a long metadata value', { metadata: { a: 'x'.repeat(4097) } }, 'metadata["a"]'],
]);

const label = (key: string, value = 'x'): Init => ({ labels: { [key]: value } });
check('labels', [
  ...['a', '7', 'a-b_c.d/e', 'x'.repeat(63)].map((key): Row => [key, label(key)]),
  ...['', 'A', '-a', 'a-', '/', 'a=b', 'a b', 'ä', 'a\n', 'x'.repeat(64)].map(
    (key): Row => [JSON.stringify(key), label(key), `labels[${JSON.stringify(key)}]`],
  ),
  ...['', 'A = ü/😀', 'x'.repeat(255)].map((value): Row => [value, label('a', value)]),
  ...['a\n', 'a\0b', '\x7f', 'x'.repeat(256)].map(
    (value): Row => [JSON.stringify(value), label('a', value), 'labels["a"]'],
  ),
  ['64', { labels: Object.fromEntries(Array.from({ length: 64 }, (_, i) => [`l${i}`, ''])) }],
  ['65', { labels: Object.fromEntries(Array.from({ length: 65 }, (_, i) => [`l${i}`, ''])) }, 'labels'],
]);

check('templates', [
  ['unset', { templates: {} }],
  ['a default value', { templates: { missing: MissingValue.DEFAULT, defaultValue: 'x' } }],
  ['no default value', { templates: { missing: MissingValue.DEFAULT } }],
  ['a default value without its rule', { templates: { defaultValue: 'x' } }, 'templates'],
  ['a default value with another rule', { templates: { missing: 2, defaultValue: 'x' } }, 'templates'],
  ['an unknown rule', { templates: { missing: 9 as 0 } }, 'templates.missing'],
  [
    'a long default value',
    { templates: { missing: 3, defaultValue: 'x'.repeat(4097) } },
    'templates.default_value',
  ],
]);

check('delivery', [
  ['unset', { delivery: {} }],
  ['an unknown strategy', { delivery: { ackStrategy: 9 as 0 } }, 'delivery.ack_strategy'],
  ['retries without end', { delivery: { retries: 0 } }],
  ['1 ms', pause(0n, 1_000_000)],
  ['no pause', pause(0n), 'delivery.pause_between_retries'],
  ['less than 1 ms', pause(0n, 999_999), 'delivery.pause_between_retries'],
  ['one hour', pause(3600n)],
  ['more than one hour', pause(3600n, 1), 'delivery.pause_between_retries'],
  ['a negative pause', pause(-1n), 'delivery.pause_between_retries'],
  ['out of range', pause(2n ** 62n), 'delivery.pause_between_retries'],
  ['two signs', pause(1n, -1), 'delivery.pause_between_retries'],
  [
    'timeout of 9 ms',
    { delivery: { packProcessingTimeout: { nanos: 9_000_000 } } },
    'delivery.pack_processing_timeout',
  ],
  ['a window of 0', { delivery: { maxInFlight: 0 } }, 'delivery.max_in_flight'],
  ['no executor', { delivery: { maxExecutors: 0 } }, 'delivery.max_executors'],
  ['129 executors', { delivery: { maxExecutors: 129 } }, 'delivery.max_executors'],
  ['an order without a key', { delivery: { order: {} } }, 'delivery.order.key'],
  [
    'an unnamed property',
    { delivery: { order: { key: { case: 'userProperty', value: '' } } } },
    'delivery.order.user_property',
  ],
]);

const urlRows = (urls: readonly string[], ...paths: string[]) =>
  urls.map((restEndpointUrl): Row => [JSON.stringify(restEndpointUrl), http({ restEndpointUrl }), ...paths]);
const headerRows = (headers: readonly (readonly [string, string])[], isValid: boolean) =>
  headers.map(
    ([name, value]): Row => [
      `header ${JSON.stringify(`${name}: ${value}`)}`,
      http({ headers: { [name]: value } }),
      ...(isValid ? [] : [`http.headers[${JSON.stringify(name)}]`]),
    ],
  );
const codeRows = (codes: readonly string[], isValid: boolean) =>
  codes.flatMap((code): Row[] => [
    [`success ${code}`, http({ successCodes: [code] }), ...(isValid ? [] : ['http.success_codes[0]'])],
    [`retry ${code}`, http({ retryCodes: [code] }), ...(isValid ? [] : ['http.retry_codes[0]'])],
  ]);
const credentialRows = (kind: 'bearer' | 'oauth2', field: string, cases: readonly [object, boolean][]) =>
  cases.map(
    ([value, isValid]): Row => [
      `${kind} ${JSON.stringify(value)}`,
      http({ credentials: { credentials: { case: kind, value } } }),
      ...(isValid ? [] : [`http.credentials.${kind}.${field}`]),
    ],
  );

check('http', [
  ...urlRows(['http://a', 'https://a:8443/b?c=d#e', 'http://[::1]:80/', 'http://a/@b', 'http://a?x=@']),
  ...urlRows(
    ['', '/in', 'a/in', 'ftp://a', 'HTTP:a', 'http:///in', 'http://', 'http://a b'],
    'http.rest_endpoint_url',
  ),
  ...urlRows(['http://u:p@a/', 'http://u@a/', 'http://a\n/', 'http://a/ b'], 'http.rest_endpoint_url'),
  ...urlRows(['http://a/${x}?y=${payload.z}', 'http://a?${x}', 'http://a/$${x}']),
  ...urlRows(['http://${x}/', 'http://a.${x}', 'https://a:${x}/'], 'http.rest_endpoint_url'),
  ['a URL of 8193', http({ restEndpointUrl: `http://a/${'x'.repeat(8184)}` }), 'http.rest_endpoint_url'],
  ...headerRows(
    [
      ['X-Ok', 'a\tb'],
      ['content-type', 'text/plain'],
      ['authorization', 'Bearer x'],
      ['x-a', 'ü'],
    ],
    true,
  ),
  ...headerRows(
    [
      ['Host', 'x'],
      ['CONNECTION', 'x'],
      ['content-length', '1'],
      ['Transfer-Encoding', 'x'],
    ],
    false,
  ),
  ...headerRows(
    [
      ['te', 'x'],
      ['upgrade', 'x'],
      ['keep-alive', 'x'],
      ['Proxy-Authorization', 'x'],
      ['Penstock-Hops', '1'],
    ],
    false,
  ),
  ...headerRows(
    [
      ['', 'x'],
      ['a b', 'x'],
      ['a:', 'x'],
      ['x-a', 'a\r\nb: c'],
      ['x-a', 'a\0'],
      ['x-a', 'Ā'],
    ],
    false,
  ),
  ['an unknown method', http({ requestMethod: 17 as 0 }), 'http.request_method'],
  ['no wait', http({ readTimeout: {} })],
  ['a negative wait', http({ readTimeout: { seconds: -1n } }), 'http.read_timeout'],
  ['a buffer of 0', http({ maxInMemoryBufferSizeBytes: 0 }), 'http.max_in_memory_buffer_size_bytes'],
  ['credentials of no kind', http({ credentials: {} }), 'http.credentials.credentials'],
  ['anonymous', http({ credentials: { credentials: { case: 'anonymous', value: {} } } })],
  [
    'a password without a user name',
    http({ credentials: { credentials: { case: 'basic', value: { password: 'x' } } } }),
    'http.credentials.basic.username',
  ],
  [
    'a user name and a password of 65,535 bytes',
    http({
      credentials: {
        credentials: { case: 'basic', value: { username: 'ü'.repeat(32_767), password: LONGEST } },
      },
    }),
  ],
  [
    'a user name and a password of more',
    http({
      credentials: {
        credentials: { case: 'basic', value: { username: 'ü'.repeat(32_768), password: `${LONGEST}x` } },
      },
    }),
    'http.credentials.basic.username',
    'http.credentials.basic.password',
  ],
  ['no time to connect', http({ connectTimeout: {} }), 'http.connect_timeout'],
  ['no connection', http({ maxConnections: 0 }), 'http.max_connections'],
  ['a short keep-alive', http({ keepAliveTimeout: { nanos: 999_999_999 } }), 'http.keep_alive_timeout'],
  ['an unknown version', http({ httpVersion: 9 as 0 }), 'http.http_version'],
  ['an unknown check', http({ checkMethod: 99 as 0 }), 'http.check_method'],
  ...codeRows(['200', '599', '2xx', '5xx', '200-204', '299-200'], true),
  ...codeRows(['', '100', '600', '1xx', '20', '2000', '2XX', '200-', '200-600', '2xx-3xx', '200,201'], false),
  ['a code twice', http({ successCodes: ['200', '200'] }), 'http.success_codes'],
  ['a key header', http({ idempotencyKeyHeader: 'Idempotency-Key' })],
  ...['a b', 'x:', 'Host', 'penstock-hops', 'Content-Type', 'Authorization', 'x'.repeat(257)].map(
    (name): Row => [
      `key header ${name.slice(0, 20)}`,
      http({ idempotencyKeyHeader: name }),
      'http.idempotency_key_header',
    ],
  ),
  ...['http://a', 'https://a:3128', 'http://[::1]:3128/'].map(
    (proxyUrl): Row => [`proxy ${proxyUrl}`, http({ proxyUrl })],
  ),
  ...['a:3128', 'socks5://a', 'http://a/b', 'http://a?b', 'http://u:p@a', 'http://'].map(
    (proxyUrl): Row => [`proxy ${proxyUrl}`, http({ proxyUrl }), 'http.proxy_url'],
  ),
  ['a secret header', http({ secretHeaders: [{ name: 'X-Api-Key', value: 'ü' }, { name: 'x-a' }] })],
  ['one twice', http({ secretHeaders: [{ name: 'X-A' }, { name: 'x-a' }] }), 'http.secret_headers'],
  ['one without a name', http({ secretHeaders: [{ value: 'x' }] }), 'http.secret_headers[0].name'],
  ['a secret host', http({ secretHeaders: [{ name: 'Host' }] }), 'http.secret_headers[0].name'],
  [
    'a secret of two lines',
    http({ secretHeaders: [{ name: 'x-a', value: 'a\r\nb: c' }] }),
    'http.secret_headers[0].value',
  ],
  ['a batch of 0', http({ batching: { maxMessages: 0 } }), 'http.batching.max_messages'],
  ['a batch of 10,001', http({ batching: { maxMessages: 10_001 } }), 'http.batching.max_messages'],
  ['a batch of no bytes', http({ batching: { maxBytes: 0 } }), 'http.batching.max_bytes'],
  ['a batch that waits long', http({ batching: { maxWait: { seconds: 61n } } }), 'http.batching.max_wait'],
  ['an unknown batch', http({ batching: { format: 9 as 0 } }), 'http.batching.format'],
  ...credentialRows('bearer', 'token', [
    [{ token: 'abc.DEF-1=' }, true],
    [{}, true], // kept from before; the executor knows
    [{ token: '' }, false],
    [{ token: 'a b' }, false],
    [{ token: 'a\nb' }, false],
    [{ token: 'ü' }, false],
  ]),
  ...credentialRows('oauth2', 'token_url', [
    [{ clientId: 'id', tokenUrl: 'https://a/token?tenant=1' }, true],
    [{ clientId: 'id' }, false],
    [{ clientId: 'id', tokenUrl: 'a/token' }, false],
    [{ clientId: 'id', tokenUrl: 'https://u:p@a/token' }, false],
    [{ clientId: 'id', tokenUrl: 'https://a/token#x' }, false],
  ]),
  ...credentialRows('oauth2', 'client_id', [[{ tokenUrl: 'https://a/token' }, false]]),
  ...credentialRows('oauth2', 'scopes[0]', [
    [{ clientId: 'id', tokenUrl: 'https://a/', scopes: ['api://x/.default', '[]!#~'] }, true],
    [{ clientId: 'id', tokenUrl: 'https://a/', scopes: ['a b'] }, false],
    [{ clientId: 'id', tokenUrl: 'https://a/', scopes: ['"'] }, false],
    [{ clientId: 'id', tokenUrl: 'https://a/', scopes: ['\\\\'] }, false],
    [{ clientId: 'id', tokenUrl: 'https://a/', scopes: [''] }, false],
  ]),
]);

check('mqtt', [
  ['a host name', mqtt({ host: 'broker.example.org' })],
  ['an IPv6 address', mqtt({ host: '::1' })],
  ['no host', mqtt({ host: '' }), 'mqtt.host'],
  ['a URL as the host', mqtt({ host: 'mqtt://h' }), 'mqtt.host'],
  ['port 0', mqtt({ port: 0 }), 'mqtt.port'],
  ['port 65536', mqtt({ port: 65_536 }), 'mqtt.port'],
  ['no topic name at all', mqtt({ useMsgTopicName: false }), 'mqtt'],
  ['a topic name', mqtt({ useMsgTopicName: false, topicName: 'a/b' })],
  ['a wildcard in the topic name', mqtt({ topicName: 'a/+' }), 'mqtt.topic_name'],
  ['a topic name of the broker', mqtt({ topicName: '$SYS/a' }), 'mqtt.topic_name'],
  ['NUL in the topic name', mqtt({ topicName: 'a\0' }), 'mqtt.topic_name'],
  ['a placeholder in the topic name', mqtt({ topicName: 'pub/${topic}/x' })],
  ['a placeholder first in the topic name', mqtt({ topicName: '${topic[0]}/x' })],
  ['a $ alone as the topic name', mqtt({ topicName: '$' }), 'mqtt.topic_name'],
  ['QoS 3', mqtt({ qos: 3 }), 'mqtt.qos'],
  ['version 2', mqtt({ mqttVersion: 2 as 0 }), 'mqtt.mqtt_version'],
  ['no wait to connect', mqtt({ connectTimeout: {} }), 'mqtt.connect_timeout'],
  ['a path', mqtt({ websocketPath: '/mqtt?token=x' })],
  ['a path without /', mqtt({ websocketPath: 'mqtt' }), 'mqtt.websocket_path'],
  ['a path with a line break', mqtt({ websocketPath: '/\r\n' }), 'mqtt.websocket_path'],
  ['a path with a fragment', mqtt({ websocketPath: '/mqtt#x' }), 'mqtt.websocket_path'],
  ['a pool of none', mqtt({ poolSize: 0 }), 'mqtt.pool_size'],
  ['a pool of 65', mqtt({ poolSize: 65 }), 'mqtt.pool_size'],
  ['nothing in flight', mqtt({ maxInFlight: 0 }), 'mqtt.max_in_flight'],
  ['more in flight than packet ids', mqtt({ maxInFlight: 65_536 }), 'mqtt.max_in_flight'],
  ['client ids', mqtt({ staticClientIds: [{ clientId: 'a' }, { clientId: 'b', password: '' }] })],
  [
    'a token for a password',
    mqtt({ staticClientIds: [{ clientId: 'a', username: LONGEST, password: LONGEST }] }),
  ],
  [
    'a longer one',
    mqtt({ staticClientIds: [{ clientId: 'a', username: `${LONGEST}x`, password: `${LONGEST}x` }] }),
    'mqtt.static_client_ids[0].username',
    'mqtt.static_client_ids[0].password',
  ],
  ['no client id', mqtt({ staticClientIds: [{ clientId: '' }] }), 'mqtt.static_client_ids[0].client_id'],
  [
    'a client id twice',
    mqtt({ staticClientIds: [{ clientId: 'a' }, { serviceId: 'e', clientId: 'a' }] }),
    'mqtt.static_client_ids',
  ],
]);

check('kafka', [
  ['several servers', kafka({ bootstrapServers: ['a.example.org:9092', '10.0.0.1:9093', '[::1]:9094'] })],
  ['no server', kafka({ bootstrapServers: [] }), 'kafka.bootstrap_servers'],
  ['a server without a port', kafka({ bootstrapServers: ['a:1', 'b'] }), 'kafka.bootstrap_servers[1]'],
  ['a topic with a blank', kafka({ topic: 'a b' }), 'kafka.topic'],
  ['an unknown charset', kafka({ kafkaHeadersCharset: 'EBCDIC' }), 'kafka.kafka_headers_charset'],
  ['a header without a key', kafka({ kafkaHeaders: [{ key: 'a' }, {}] }), 'kafka.kafka_headers[1].key'],
  ['a batch of 0', kafka({ batchSizeBytes: 0 }), 'kafka.batch_size_bytes'],
  ['too small a buffer', kafka({ bufferMemoryBytes: 1n }), 'kafka.buffer_memory_bytes'],
  ['a long linger', kafka({ linger: { seconds: 61n } }), 'kafka.linger'],
  ['SASL of no mechanism', kafka({ sasl: { username: 'u' } }), 'kafka.sasl.mechanism'],
  ['a token for SASL', kafka({ sasl: { mechanism: 1, username: 'u', password: LONGEST } })],
  ['SASL of nobody', kafka({ sasl: { mechanism: 1 } }), 'kafka.sasl.username'],
]);
