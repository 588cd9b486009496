// Writes gen/openapi.json from proto/; with --check only tells whether it is fresh.
import { readFileSync, writeFileSync } from 'node:fs';
import type { JsonSchema } from './openapi/json-schema.ts';
import { MessageSchemas } from './openapi/message-schemas.ts';
import { operationsOf } from './openapi/operations.ts';
import { commentOfCall, ROOT, registry } from './schema-image.ts';

const FILE = new URL('gen/openapi.json', ROOT);
const PACKAGE = 'penstock.v1';

const INFO = `MQTT integrations over Kafka.

JSON is that of protobuf: fields are taken by either of their names (\`restEndpointUrl\`, \`rest_endpoint_url\`), what is unset or 0, false or empty is left out of answers, and a field or a parameter that is not there is refused. Messages whose schema ends with \`Input\` are those that must be whole.`;

/** As Connect has them: each is a code of gRPC. */
const CODES = [
  ...['canceled', 'unknown', 'invalid_argument', 'deadline_exceeded', 'not_found', 'already_exists'],
  ...['permission_denied', 'resource_exhausted', 'failed_precondition', 'aborted', 'out_of_range'],
  ...['unimplemented', 'internal', 'unavailable', 'data_loss', 'unauthenticated'],
];

const ERROR: JsonSchema = {
  type: 'object',
  description: 'Why a call failed. The HTTP status follows from the code.',
  required: ['code'],
  properties: {
    code: { type: 'string', enum: CODES, description: 'The code of gRPC.' },
    message: { type: 'string', description: 'What is wrong, for people, and what to do.' },
    details: {
      type: 'array',
      items: {
        type: 'object',
        required: ['type', 'value'],
        properties: {
          type: {
            type: 'string',
            description:
              '`google.rpc.BadRequest`: the path of each wrong field. `google.rpc.ErrorInfo`: a reason for programs.',
          },
          value: { type: 'string', description: 'The message in base64 without padding.' },
          debug: { type: 'object', description: 'The message as JSON.' },
        },
      },
    },
  },
};

const SECURITY_SCHEMES = {
  bearerToken: { type: 'http', scheme: 'bearer', description: 'An API token.' },
  sessionCookie: {
    type: 'apiKey',
    in: 'cookie',
    name: 'penstock_session',
    description: 'What a browser has after a login; over TLS its name is `__Host-penstock_session`.',
  },
};

const services = [...registry]
  .filter((desc) => desc.kind === 'service')
  .filter(({ file }) => file.proto.package === PACKAGE)
  .sort((a, b) => (a.typeName < b.typeName ? -1 : 1));

function document(): JsonSchema {
  const { version } = JSON.parse(readFileSync(new URL('package.json', ROOT), 'utf8'));
  const schemas = new MessageSchemas();
  const paths: Record<string, Record<string, JsonSchema>> = {};
  for (const method of services.flatMap(({ methods }) => methods)) {
    for (const { path, httpMethod, operation } of operationsOf(method, schemas)) {
      paths[path] = { ...paths[path], [httpMethod]: operation };
    }
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'Penstock',
      version,
      description: INFO,
      license: { name: 'Apache License 2.0', identifier: 'Apache-2.0' },
    },
    servers: [{ url: '/' }],
    // Where no login is set up, none is asked for.
    security: [...Object.keys(SECURITY_SCHEMES).map((name) => ({ [name]: [] })), {}],
    tags: services.map((service) => ({ name: service.name, description: commentOfCall(service) })),
    paths,
    components: {
      schemas: { ...schemas.all, Error: ERROR },
      responses: {
        Error: {
          description: 'It failed.',
          content: { 'application/json': { schema: { $ref: '#/components/schemas/Error' } } },
        },
      },
      securitySchemes: SECURITY_SCHEMES,
    },
  };
}

const text = `${JSON.stringify(document(), null, 2)}\n`;
if (!process.argv.includes('--check')) writeFileSync(FILE, text);
else if (readFileSync(FILE, 'utf8') !== text) {
  console.error('gen/openapi.json: not fresh, run npm run generate');
  process.exitCode = 1;
}
