import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isOfOwnPage } from '../../src/rpc/own-page.ts';

type Headers = Parameters<typeof isOfOwnPage>[0]['headers'];

const post = (headers: Headers, isEncrypted = false) => isOfOwnPage({ method: 'POST', headers, isEncrypted });
const get = (headers: Headers) => isOfOwnPage({ method: 'GET', headers, isEncrypted: false });

test('a page of the very host and port that it calls may use its cookie', () => {
  for (const [origin, host] of [
    ['http://localhost:8080', 'localhost:8080'],
    ['http://localhost:8080', 'LOCALHOST:8080'],
    ['http://[::1]:8080', '[::1]:8080'],
    ['http://[::1]:8080', '[0:0:0:0:0:0:0:1]:8080'],
    ['http://penstock', 'penstock:80'],
    ['https://penstock.example.com', 'penstock.example.com:443'],
    ['https://penstock.example.com', 'penstock.example.com'], // a proxy in front has the TLS
    ['https://penstock.example.com:8443', 'penstock.example.com:8443'],
    ['http://xn--bcher-kva.example', 'xn--bcher-kva.example'],
  ] as const) {
    assert.equal(post({ origin, host }), true, `${origin} calls ${host}`);
    assert.equal(post({ origin, host, 'sec-fetch-site': 'same-origin' }), true, `${origin} calls ${host}`);
  }
});

test('no other page may, and none that hides where it is from', () => {
  for (const [origin, host] of [
    ['http://localhost:3000', 'localhost:8080'],
    ['http://127.0.0.1:8080', 'localhost:8080'],
    ['http://[::2]:8080', '[::1]:8080'],
    ['http://evil.penstock.example.com', 'penstock.example.com'],
    ['http://penstock.example.com', 'evil.penstock.example.com'],
    ['http://penstock.example.com', 'penstock.example.com:443'],
    ['https://penstock.example.com', 'penstock.example.com:80'],
    ['null', 'null'],
    ['null', 'localhost'],
    ['', 'localhost'],
    ['file://', 'localhost'],
    ['file://localhost', 'localhost'],
    ['http://localhost, http://localhost', 'localhost'],
    ['chrome-extension://localhost', 'localhost'],
  ] as const) {
    assert.equal(post({ origin, host }), false, `${origin} calls ${host}`);
    assert.equal(get({ origin, host }), false, `${origin} calls ${host}`);
  }
  assert.equal(post({ origin: 'http://localhost' }), false, 'no host');
});

test('a browser that says where a call is from is believed, and one that says nothing may only read', () => {
  const own = { origin: 'http://localhost:8080', host: 'localhost:8080' };
  for (const site of ['cross-site', 'same-site', 'none', '', 'same-origin, cross-site']) {
    assert.equal(post({ ...own, 'sec-fetch-site': site }), false, site);
    assert.equal(post({ host: own.host, 'sec-fetch-site': site }), false, site);
    assert.equal(get({ host: own.host, 'sec-fetch-site': site }), site === 'none', site);
  }
  assert.equal(post({ host: own.host, 'sec-fetch-site': 'same-origin' }), true);
  assert.equal(get({ host: own.host, 'sec-fetch-site': 'same-origin' }), true);
  assert.equal(post({ host: own.host }), false);
  assert.equal(get({ host: own.host }), true);
});

test('a page without TLS is none of a host with TLS', () => {
  const host = 'penstock.example.com';
  assert.equal(post({ host, origin: `http://${host}` }, true), false);
  assert.equal(post({ host, origin: `https://${host}` }, true), true);
});
