import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { test } from 'node:test';
import { create, equals, type MessageInitShape, toBinary } from '@bufbuild/protobuf';
import { SealedSecretsSchema } from '../../gen/penstock/v1/downlink_pb.ts';
import { IntegrationSchema } from '../../gen/penstock/v1/integration_pb.ts';
import {
  NoSecretKeyError,
  openSecrets,
  type SealedIntegration,
  sealSecrets,
  unopenedText,
} from '../../src/contract/sealed-secrets.ts';
import { PLACED_SECRETS, withoutItems } from '../../src/contract/secret-places.ts';
import { secretsIn } from '../../src/contract/secrets.ts';
import { violationsOf } from '../../src/contract/validate.ts';
import { holds, plantedSecrets } from '../helpers/secret-canaries.ts';
import { keyRing } from '../helpers/secret-keys.ts';

const keys = keyRing('k1');

type Http = Extract<
  NonNullable<MessageInitShape<typeof IntegrationSchema>['configuration']>,
  { case: 'http' }
>;

const http = (value: Http['value'], id = randomUUID()) =>
  create(IntegrationSchema, { id, name: 'n', topicFilters: ['#'], configuration: { case: 'http', value } });

const basicAndHeader = (id = randomUUID()) =>
  http(
    {
      restEndpointUrl: 'http://a/',
      credentials: { credentials: { case: 'basic', value: { username: 'u', password: 'one' } } },
      secretHeaders: [{ name: 'x', value: 'two' }],
    },
    id,
  );

const bytesOf = ({ integration, sealed }: SealedIntegration) =>
  Buffer.concat([
    toBinary(IntegrationSchema, integration),
    toBinary(SealedSecretsSchema, create(SealedSecretsSchema, { secrets: [...sealed] })),
  ]);

test('a canary is planted in every secret field, in an integration that the schema takes', () => {
  const planted = plantedSecrets();
  assert.deepEqual(planted.map(({ path }) => withoutItems(path)).toSorted(), PLACED_SECRETS.toSorted());
  for (const { path, integration, canary } of planted) {
    assert.deepEqual(violationsOf(IntegrationSchema, integration), [], path);
    assert.ok(holds(toBinary(IntegrationSchema, integration), canary), path);
    for (const before of ['', 'a', 'ab']) {
      assert.ok(holds(Buffer.from(Buffer.from(`${before}${canary}more`).toString('base64')), canary), before);
    }
  }
});

for (const { path, canary, integration } of plantedSecrets()) {
  test(`${path} is sealed, and opens as it was`, () => {
    const sealed = sealSecrets(integration, keys);
    assert.deepEqual(
      sealed.sealed.map((one) => [one.path, one.keyId]),
      [[path, 'k1']],
    );
    assert.ok(!holds(bytesOf(sealed), canary));
    assert.deepEqual(secretsIn(IntegrationSchema, sealed.integration), []);
    assert.deepEqual(
      violationsOf(IntegrationSchema, sealed.integration),
      [],
      'it keeps all rules without it',
    );
    const opened = openSecrets(sealed, keys);
    assert.deepEqual(opened.unopened, []);
    assert.ok(equals(IntegrationSchema, opened.integration, integration));
    assert.deepEqual(secretsIn(IntegrationSchema, integration), [canary], 'the original is not touched');
  });
}

test('the same secret is never sealed into the same bytes', () => {
  const integration = basicAndHeader();
  const nonces = Array.from({ length: 20 }, () =>
    sealSecrets(integration, keys).sealed.map((one) => one.nonce),
  );
  assert.equal(new Set(nonces.flat().map((one) => Buffer.from(one).toString('hex'))).size, 40);
});

test('a sealed secret does not open in another field, or in another integration', () => {
  const { integration, sealed } = sealSecrets(basicAndHeader(), keys);
  const [password, header] = sealed;
  const swapped = [
    { ...password!, path: header!.path },
    { ...header!, path: password!.path },
  ];
  const opened = openSecrets({ integration, sealed: swapped }, keys);
  assert.deepEqual(
    opened.unopened.map(({ secret, why }) => [secret.path, why]),
    swapped.map(({ path }) => [path, 'refused']),
  );
  assert.deepEqual(secretsIn(IntegrationSchema, opened.integration), []);
  const other = { ...integration, id: randomUUID() };
  assert.equal(openSecrets({ integration: other, sealed }, keys).unopened.length, 2);
});

test('a sealed secret that was changed or cut does not open', () => {
  const { integration, sealed } = sealSecrets(basicAndHeader(), keys);
  const [password] = sealed;
  const flipped = (bytes: Uint8Array, at: number) => bytes.map((byte, i) => (i === at ? byte ^ 1 : byte));
  const broken = [
    { ...password!, ciphertext: flipped(password!.ciphertext, 0) },
    { ...password!, ciphertext: flipped(password!.ciphertext, password!.ciphertext.length - 1) },
    { ...password!, nonce: flipped(password!.nonce, 0) },
    { ...password!, nonce: password!.nonce.subarray(1) },
    { ...password!, ciphertext: password!.ciphertext.subarray(1) },
    { ...password!, ciphertext: new Uint8Array(5) },
  ];
  for (const one of broken) {
    const { unopened } = openSecrets({ integration, sealed: [one] }, keys);
    assert.deepEqual(
      unopened.map(({ why }) => why),
      ['refused'],
    );
  }
});

test('of several keys the first one seals, and each opens', () => {
  const integration = basicAndHeader();
  const old = sealSecrets(integration, keyRing('old'));
  const ring = keyRing('new', 'old');
  assert.ok(equals(IntegrationSchema, openSecrets(old, ring).integration, integration));
  assert.deepEqual(
    sealSecrets(integration, ring).sealed.map(({ keyId }) => keyId),
    ['new', 'new'],
  );
});

test('without its key, or with another one of its name, a secret stays sealed and its text says what to do', () => {
  const old = sealSecrets(basicAndHeader(), keyRing('old'));
  const missing = openSecrets(old, keys);
  assert.deepEqual(
    missing.unopened.map(({ why, secret }) => [why, secret]),
    old.sealed.map((secret) => ['missing', secret]),
  );
  assert.equal(
    unopenedText(missing.unopened[0]!),
    'cannot be decrypted, the key "old" of PENSTOCK_SECRET_KEYS_FILE or PENSTOCK_SECRET_KEYS is missing here: add it, or give the secret again with UpdateIntegration',
  );
  const another = openSecrets(old, new Map([['old', keys.get('k1')!]]));
  assert.match(unopenedText(another.unopened[0]!), /the key "old" .* does not open it/);
});

test('a secret in clear text that was written later counts, and one of a newer version is left alone', () => {
  const { sealed } = sealSecrets(basicAndHeader(), keys);
  const clear = basicAndHeader();
  const opened = openSecrets({ integration: clear, sealed }, keys);
  assert.deepEqual([opened.unopened, secretsIn(IntegrationSchema, opened.integration)], [[], ['one', 'two']]);
  const newer = { ...sealed[0]!, path: 'http.new.secret' };
  assert.deepEqual(openSecrets({ integration: clear, sealed: [newer] }, keyRing()).unopened, []);
});

test('without a key nothing is sealed, unless there is nothing to seal', () => {
  assert.throws(
    () => sealSecrets(basicAndHeader(), keyRing()),
    (error) =>
      error instanceof NoSecretKeyError &&
      error.paths.join() === 'http.credentials.basic.password,http.secret_headers["x"].value',
  );
  assert.deepEqual(sealSecrets(http({ restEndpointUrl: 'http://a/' }), keyRing()).sealed, []);
});

test('items of one name, which no rule lets through, are sealed all the same', () => {
  const twice = http({
    restEndpointUrl: 'http://a/',
    secretHeaders: [
      { name: 'x', value: 'one' },
      { name: 'x', value: 'two' },
    ],
  });
  const sealed = sealSecrets(twice, keys);
  assert.deepEqual(secretsIn(IntegrationSchema, sealed.integration), []);
  assert.ok(equals(IntegrationSchema, openSecrets(sealed, keys).integration, twice));
});

test('what stands for a secret that is sealed already is replaced by it, in its place alone', () => {
  const integration = basicAndHeader();
  const old = sealSecrets(integration, keyRing('old')).sealed;
  const standIn = 'a stand-in';
  const kept = new Map([[standIn, old[0]!]]);
  const { credentials, ...rest } = basicAndHeader().configuration.value as Extract<
    typeof integration.configuration,
    { case: 'http' }
  >['value'];
  assert.ok(credentials?.credentials.case === 'basic');
  credentials.credentials.value.password = standIn;
  const next = { ...integration, configuration: { case: 'http' as const, value: { ...rest, credentials } } };
  const { sealed } = sealSecrets(next, keys, kept);
  assert.deepEqual(sealed[0], old[0]);
  assert.equal(sealed[1]?.keyId, 'k1');
});
