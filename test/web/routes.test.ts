import assert from 'node:assert/strict';
import { test } from 'node:test';
import { integrationPath, localTarget, routeOf } from '../../web/src/app/routes.ts';

test('every page has a path, and every path a page', () => {
  const routes = {
    '/': { page: 'integrations' },
    '/integrations': { page: 'integrations' },
    '/integrations/': { page: 'integrations' },
    '/integrations/a-b': { page: 'integration', id: 'a-b', tab: 'overview' },
    '/integrations/a%2Fb/events': { page: 'integration', id: 'a/b', tab: 'events' },
    '/integrations/%/revisions': { page: 'integration', id: '%', tab: 'revisions' },
    '/integrations/a/nothing': { page: 'unknown', path: '/integrations/a/nothing' },
    '/integrations/a/events/more': { page: 'unknown', path: '/integrations/a/events/more' },
    '/integrations/new': { page: 'new' },
    '/integrations/a/edit': { page: 'edit', id: 'a' },
    '/try': { page: 'try' },
    '/messages': { page: 'messages' },
    '/integrations/a/dead-letters': { page: 'integration', id: 'a', tab: 'dead-letters' },
    '/integrations/a%2Fb/replay': { page: 'replay', id: 'a/b' },
    '/replays': { page: 'replays' },
    '/events': { page: 'events' },
    '/nodes': { page: 'nodes' },
    '/access': { page: 'access' },
    '/login': { page: 'login' },
    '/constructor': { page: 'unknown', path: '/constructor' },
    '/nodes/a%2Fb': { page: 'node', id: 'a/b' },
    '/nodes/a/b': { page: 'unknown', path: '/nodes/a/b' },
    '/audit': { page: 'audit' },
  };
  for (const [path, route] of Object.entries(routes)) assert.deepEqual(routeOf(path), route, path);
  for (const id of ['a', 'a/b', 'ä ?#%']) {
    assert.deepEqual(routeOf(integrationPath(id)), { page: 'integration', id, tab: 'overview' });
    assert.deepEqual(routeOf(integrationPath(id, 'events')), { page: 'integration', id, tab: 'events' });
  }
});

test('a login leads back to pages of the UI alone', () => {
  assert.equal(localTarget('/integrations?q=a'), '/integrations?q=a');
  for (const next of [
    null,
    '',
    'https://evil.example',
    '//evil.example',
    '/\\evil.example',
    '/login?next=/',
    'javascript:x',
    '/\t/evil.example',
    '/a\n',
  ])
    assert.equal(localTarget(next), '/', `${next}`);
});
