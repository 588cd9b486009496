import type { BasicCredentials } from '../../../../gen/penstock/v1/credentials_pb.ts';
import { type HttpConfiguration, HttpVersion } from '../../../../gen/penstock/v1/http_pb.ts';
import { hasPlaceholder, originOf, urlProblem } from '../../../contract/endpoint-url.ts';
import { hasBody, methodOf } from '../../../contract/http-request.ts';
import { isJsonTemplate, templateProblem } from '../../../contract/template.ts';
import type { FieldViolation } from '../../../contract/validate.ts';
import { messageOf } from '../../../runtime/logger.ts';
import type { TargetGuard } from '../../../runtime/target-guard.ts';
import { tlsProblem } from '../tls.ts';
import { codeViolations } from './statuses.ts';

/** What the schema's rules cannot say; no I/O. */
export function validate(config: HttpConfiguration, guard: TargetGuard): readonly FieldViolation[] {
  return [
    ...urlViolations(config, guard),
    ...headerViolations(config),
    ...credentialViolations(config, guard),
    ...codeViolations(config),
    ...bodyViolations(config),
    ...batchingViolations(config),
    ...proxyViolations(config, guard),
  ];
}

const violation = (field: string, reason: string, description: string): FieldViolation => ({
  field,
  description,
  reason: `HTTP_${reason}`,
});

function urlViolations(config: HttpConfiguration, guard: TargetGuard): readonly FieldViolation[] {
  const { restEndpointUrl, httpVersion } = config;
  const problem = urlProblem(restEndpointUrl);
  if (problem !== undefined) return [violation('rest_endpoint_url', 'REST_ENDPOINT_URL', problem)];
  const isPlain = originOf(restEndpointUrl).protocol === 'http:';
  return [
    ...refusals('rest_endpoint_url', restEndpointUrl, guard),
    ...(isPlain && httpVersion === HttpVersion.HTTP_VERSION_2
      ? [
          violation(
            'http_version',
            'HTTP_VERSION',
            'HTTP/2 is agreed on in TLS: use an https URL, or HTTP/1.1',
          ),
        ]
      : []),
  ];
}

/** An address in a URL that is not allowed; names are judged when they are looked up. */
function refusals(field: string, url: string, guard: TargetGuard): readonly FieldViolation[] {
  try {
    guard.checkLiteral(originOf(url).hostname);
    return [];
  } catch (error) {
    return [violation(field, 'TARGET_REFUSED', messageOf(error))];
  }
}

function headerViolations(config: HttpConfiguration): readonly FieldViolation[] {
  const { headers, secretHeaders, idempotencyKeyHeader } = config;
  const violations: FieldViolation[] = [];
  const names = Object.keys(headers).map((name) => name.toLowerCase());
  const repeated = names.find((name, i) => names.indexOf(name) !== i);
  if (repeated !== undefined) {
    const description = `${repeated} is there twice, in different cases: keep one`;
    violations.push(violation('headers', 'HEADERS_REPEATED', description));
  }
  for (const [name, value] of Object.entries(headers)) {
    const problem = templateProblem(value);
    const field = `headers[${JSON.stringify(name)}]`;
    if (problem !== undefined) violations.push(violation(field, 'HEADERS_TEMPLATE', problem));
  }
  for (const [i, { name, value }] of secretHeaders.entries()) {
    const field = `secret_headers[${i}]`;
    if (value === undefined)
      violations.push(violation(`${field}.value`, 'SECRET_HEADERS_VALUE', 'is missing'));
    if (names.includes(name.toLowerCase())) {
      const description = 'is among headers, too: take it out of one of them';
      violations.push(violation(`${field}.name`, 'SECRET_HEADERS_NAME', description));
    }
  }
  const all = [...names, ...secretHeaders.map(({ name }) => name.toLowerCase())];
  if (all.includes(idempotencyKeyHeader.toLowerCase())) {
    const description = 'is among the other headers, too: take it out of one of them';
    violations.push(violation('idempotency_key_header', 'IDEMPOTENCY_KEY_HEADER', description));
  }
  return violations;
}

function credentialViolations(config: HttpConfiguration, guard: TargetGuard): readonly FieldViolation[] {
  const { credentials: { credentials } = {}, tls } = config;
  const violations: FieldViolation[] = [];
  const certificates = {
    'credentials.pem': credentials?.case === 'pem' ? credentials.value : undefined,
    tls,
  };
  for (const [field, pem] of Object.entries(certificates)) {
    const problem = pem && tlsProblem(pem);
    if (problem) violations.push(violation(field, 'CERTIFICATES', problem));
  }
  if (credentials?.case === 'pem' && tls) {
    const description = 'credentials are certificates already: put all of them into one of the two';
    violations.push(violation('tls', 'TLS_TWICE', description));
  }
  if (credentials?.case === 'basic') {
    violations.push(...userNameViolations('credentials.basic', credentials.value));
  }
  if (credentials?.case === 'bearer' && !credentials.value.token) {
    violations.push(violation('credentials.bearer.token', 'BEARER_TOKEN', 'is missing'));
  }
  if (credentials?.case === 'oauth2') {
    const { tokenUrl, clientSecret } = credentials.value;
    const field = 'credentials.oauth2.token_url';
    if (!clientSecret) {
      violations.push(violation('credentials.oauth2.client_secret', 'OAUTH2_CLIENT_SECRET', 'is missing'));
    }
    if (URL.canParse(tokenUrl)) violations.push(...refusals(field, tokenUrl, guard));
    else
      violations.push(
        violation(field, 'OAUTH2_TOKEN_URL', 'is not a URL: use one such as https://example.com/token'),
      );
  }
  return violations;
}

/** Whoever reads it takes what is in front of the first colon for the user name (RFC 7617 section 2). */
function userNameViolations(field: string, { username }: BasicCredentials): readonly FieldViolation[] {
  if (!username.includes(':')) return [];
  const description = 'has a colon, at which HTTP Basic ends the user name: use one without';
  return [violation(`${field}.username`, 'BASIC_USERNAME', description)];
}

function bodyViolations(config: HttpConfiguration): readonly FieldViolation[] {
  const { bodyTemplate, batching, headers } = config;
  if (bodyTemplate === '') return [];
  const wrong = (description: string) => [violation('body_template', 'BODY_TEMPLATE', description)];
  if (!hasBody(config))
    return wrong(`${methodOf(config)} sends no body: leave it out, or use another method`);
  const problem = templateProblem(bodyTemplate);
  if (problem !== undefined) return wrong(problem);
  if (isJsonTemplate(bodyTemplate)) return [];
  if (batching) return wrong('is not JSON, but the messages of a batch are: mend it, or leave batching out');
  const contentType = Object.entries(headers).find(([name]) => name.toLowerCase() === 'content-type')?.[1];
  return contentType !== undefined && /\bjson\b/i.test(contentType)
    ? wrong(`is not JSON, but the header content-type says ${contentType}: mend one of them`)
    : [];
}

function batchingViolations(config: HttpConfiguration): readonly FieldViolation[] {
  const { batching, headers, restEndpointUrl } = config;
  if (!batching) return [];
  const wrong = (description: string) => [violation('batching', 'BATCHING', description)];
  if (!hasBody(config))
    return wrong(`${methodOf(config)} sends no body: leave it out, or use another method`);
  const inHeader = Object.keys(headers).find((name) => hasPlaceholder(headers[name] ?? ''));
  const place = hasPlaceholder(restEndpointUrl) ? 'rest_endpoint_url' : inHeader && `header ${inHeader}`;
  return place
    ? wrong(
        `the messages of a batch share one request: take the placeholders out of ${place}, or leave batching out`,
      )
    : [];
}

function proxyViolations(config: HttpConfiguration, guard: TargetGuard): readonly FieldViolation[] {
  const { proxyUrl, proxyCredentials } = config;
  if (proxyUrl === '') {
    return proxyCredentials
      ? [
          violation(
            'proxy_credentials',
            'PROXY_CREDENTIALS',
            'are there without a proxy_url: add it, or leave them out',
          ),
        ]
      : [];
  }
  return [
    ...(proxyCredentials ? userNameViolations('proxy_credentials', proxyCredentials) : []),
    ...(URL.canParse(proxyUrl)
      ? refusals('proxy_url', proxyUrl, guard)
      : [violation('proxy_url', 'PROXY_URL', 'is not a URL: use one such as http://proxy.example.com:3128')]),
  ];
}
