import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { isCookieSecure, sessionCookie, sessionOf } from '../../src/rpc/session-cookie.ts';
import { readSettings } from '../../src/runtime/settings.ts';

test('a session is for this host and its pages alone, and over TLS for TLS alone', () => {
  assert.equal(sessionCookie('abc', false), 'penstock_session=abc; Path=/; HttpOnly; SameSite=Strict');
  assert.equal(
    sessionCookie('abc', true),
    '__Host-penstock_session=abc; Path=/; HttpOnly; SameSite=Strict; Secure',
  );
  assert.match(sessionCookie('', true), /^__Host-penstock_session=; .*; Max-Age=0$/);
});

test('it is found among other cookies, and not where another page may have set it', () => {
  assert.equal(sessionOf(undefined, false), undefined);
  assert.equal(sessionOf('a=b; penstock_session=x=y; c=d', false), 'x=y');
  assert.equal(sessionOf('penstock_session=', false), undefined);
  assert.equal(sessionOf('xpenstock_session=a; penstock_session2=b', false), undefined);
  assert.equal(sessionOf('penstock_session=own; penstock_session=theirs', false), undefined);
  assert.equal(sessionOf('penstock_session=theirs; __Host-penstock_session=own', true), 'own');
  assert.equal(sessionOf('penstock_session=theirs', true), undefined);
});

test('cookies are for TLS alone when this node has it, or a proxy in front', () => {
  const isSecure = (environment: Record<string, string>) => isCookieSecure(readSettings({}, environment));
  assert.equal(isSecure({}), false);
  assert.equal(isSecure({ PENSTOCK_TLS_CERT_FILE: 'tls.crt' }), true);
  assert.equal(isSecure({ PENSTOCK_SESSION_COOKIE_SECURE: 'always' }), true);
});

test('the OpenAPI document has both names of the cookie', () => {
  const { components } = JSON.parse(readFileSync('gen/openapi.json', 'utf8'));
  const { name, description } = components.securitySchemes.sessionCookie;
  const [plain, secure] = [false, true].map((isSecure) => sessionCookie('s', isSecure).split('=')[0]);
  assert.equal(name, plain);
  assert.ok(description.includes(`\`${secure}\``), description);
});
