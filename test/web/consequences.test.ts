import assert from 'node:assert/strict';
import { test } from 'node:test';
import { create } from '@bufbuild/protobuf';
import { type Integration, IntegrationSchema } from '../../gen/penstock/v1/integration_pb.ts';
import { applyUpdate } from '../../src/contract/apply-update.ts';
import { changedPaths } from '../../src/contract/changed-paths.ts';
import { fingerprint } from '../../src/contract/fingerprint.ts';
import { setSecretPaths, withoutSecrets } from '../../src/contract/secrets.ts';
import { consequencesOf } from '../../web/src/pages/edit/consequences.ts';
import { HTTP_WITH_SECRET } from '../helpers/control-plane.ts';

/** As an API answers it, and as it is stored. */
function storedOne() {
  const whole = create(IntegrationSchema, { ...HTTP_WITH_SECRET, enabled: true });
  const setSecrets = setSecretPaths(IntegrationSchema, whole);
  return { whole, answer: { ...withoutSecrets(IntegrationSchema, whole), setSecrets } };
}

function changedBy(change: (draft: Integration) => void) {
  const { whole, answer } = storedOne();
  const draft = structuredClone(answer);
  change(draft);
  const paths = changedPaths(answer, draft);
  const { integration } = applyUpdate(whole, draft, paths);
  return { whole, after: integration, told: consequencesOf(answer, draft, paths).join('\n') };
}

const http = ({ configuration }: Integration) => {
  assert.equal(configuration.case, 'http');
  return configuration.value;
};

test('a restart is told for what changes the fingerprint, by which executors restart, and for nothing else', () => {
  const changes: readonly ((draft: Integration) => void)[] = [
    (draft) => {
      draft.name = 'another';
    },
    (draft) => {
      draft.description = 'another';
    },
    (draft) => {
      draft.topicFilters.push('b');
    },
    (draft) => {
      draft.labels = { a: '1' };
    },
    (draft) => {
      draft.metadata = { a: '1' };
    },
    (draft) => {
      http(draft).headers = { x: '1' };
    },
    (draft) => {
      draft.delivery = create(IntegrationSchema, { delivery: { maxInFlight: 3 } }).delivery!;
    },
    (draft) => {
      draft.templates = create(IntegrationSchema, { templates: { missing: 2 } }).templates!;
    },
  ];
  let restarts = 0;
  for (const change of changes) {
    const { whole, after, told } = changedBy(change);
    const isRestarted = fingerprint(whole) !== fingerprint(after);
    assert.equal(/restarts the delivery/.test(told), isRestarted, told);
    restarts += Number(isRestarted);
  }
  assert.equal(restarts, 5);
});

test('a secret that a save removes is told, as what is stored afterwards lacks it', () => {
  const { after, told } = changedBy((draft) => {
    delete http(draft).credentials;
  });
  assert.deepEqual(setSecretPaths(IntegrationSchema, after), []);
  assert.match(told, /removes a stored secret: http\.credentials\.basic\.password/);
  const kept = changedBy((draft) => {
    http(draft).headers = { x: '1' };
  });
  assert.equal(setSecretPaths(IntegrationSchema, kept.after).length, 1);
  assert.doesNotMatch(kept.told, /secret/);
  const other = changedBy((draft) => {
    draft.configuration = create(IntegrationSchema, {
      configuration: { case: 'mqtt', value: { host: 'b' } },
    }).configuration;
  });
  assert.match(other.told, /removes a stored secret/);
});

test('more executors are more partitions, fewer are not, and enabling is told as what it is', () => {
  const spread = (maxExecutors: number) =>
    changedBy((draft) => {
      draft.delivery = create(IntegrationSchema, { delivery: { maxExecutors } }).delivery!;
    }).told;
  assert.match(spread(2), /one more partition: the order of keys that move begins anew/);
  assert.match(spread(4), /3 more partitions/);
  assert.doesNotMatch(spread(1), /partition/);
  const off = changedBy((draft) => {
    draft.enabled = false;
  }).told;
  assert.match(off, /stops the delivery/);
  assert.doesNotMatch(off, /restarts/);
});
