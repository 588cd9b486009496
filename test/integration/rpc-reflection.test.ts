import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import {
  create,
  createFileRegistry,
  type DescService,
  fromBinary,
  getOption,
  type Message,
  toBinary,
} from '@bufbuild/protobuf';
import { FileDescriptorProtoSchema, FileDescriptorSetSchema } from '@bufbuild/protobuf/wkt';
import * as grpc from '@grpc/grpc-js';
import { Code } from '../../gen/google/rpc/code_pb.ts';
import {
  ServerReflection,
  type ServerReflectionRequest,
  ServerReflectionRequestSchema,
  type ServerReflectionResponse,
} from '../../gen/grpc/reflection/v1/reflection_pb.ts';
import { ServerReflection as ServerReflectionV1Alpha } from '../../gen/grpc/reflection/v1alpha/reflection_pb.ts';
import { IntegrationService } from '../../gen/penstock/v1/integration_service_pb.ts';
import { rpcServerForTests } from '../helpers/rpc-server.ts';

type Question = ServerReflectionRequest['messageRequest'];

/** Asks the reflection service of a version; v1 and v1alpha have the same fields. */
async function ask(
  t: TestContext,
  service: DescService,
  ...questions: Question[]
): Promise<readonly ServerReflectionResponse['messageResponse'][]> {
  const { server } = await rpcServerForTests(t);
  const client = new grpc.Client(server.grpcAddress, grpc.credentials.createInsecure());
  t.after(() => client.close());
  const method = service.methods[0];
  assert.ok(method);
  const call = client.makeBidiStreamRequest(
    `/${service.typeName}/${method.name}`,
    (message: Message) => Buffer.from(toBinary(method.input, message)),
    (bytes) => fromBinary(method.output, bytes) as ServerReflectionResponse,
    { deadline: Date.now() + 10_000 },
  );
  for (const messageRequest of questions) call.write(create(method.input, { messageRequest }));
  call.end();
  const answers: ServerReflectionResponse['messageResponse'][] = [];
  for await (const answer of call) answers.push(answer.messageResponse);
  return answers;
}

test('what is no question ends the stream with the reason, also after a good one', async (t) => {
  const { server } = await rpcServerForTests(t);
  const client = new grpc.Client(server.grpcAddress, grpc.credentials.createInsecure());
  t.after(() => client.close());
  const same = (bytes: Buffer) => bytes;
  const question = create(ServerReflectionRequestSchema, {
    messageRequest: { case: 'listServices', value: '' },
  });
  const good = Buffer.from(toBinary(ServerReflectionRequestSchema, question));
  for (const before of [0, 1]) {
    const path = `/${ServerReflection.typeName}/ServerReflectionInfo`;
    const call = client.makeBidiStreamRequest(path, same, same, { deadline: Date.now() + 5000 });
    for (const message of [...Array<Buffer>(before).fill(good), Buffer.from('no message')])
      call.write(message);
    const answers: Buffer[] = [];
    const read = async () => {
      for await (const answer of call) answers.push(answer);
    };
    await assert.rejects(read(), { code: Code.INVALID_ARGUMENT, details: /is no message of its type/ });
    assert.equal(answers.length, before);
  }
});

for (const service of [ServerReflection, ServerReflectionV1Alpha]) {
  test(`${service.typeName} lists the services and describes them with all their options`, async (t) => {
    const [list, described] = await ask(
      t,
      service,
      { case: 'listServices', value: '*' },
      { case: 'fileContainingSymbol', value: IntegrationService.typeName },
    );
    assert.ok(list?.case === 'listServicesResponse');
    assert.deepEqual(
      list.value.service.map(({ name }) => name),
      [
        'penstock.v1.IntegrationService',
        'grpc.health.v1.Health',
        'grpc.reflection.v1.ServerReflection',
        'grpc.reflection.v1alpha.ServerReflection',
      ],
    );
    assert.ok(described?.case === 'fileDescriptorResponse');
    const file = described.value.fileDescriptorProto.map((bytes) =>
      fromBinary(FileDescriptorProtoSchema, bytes),
    );
    assert.equal(file[0]?.name, 'penstock/v1/integration_service.proto');
    const registry = createFileRegistry(create(FileDescriptorSetSchema, { file: file.toReversed() }));
    const credentials = registry.getMessage('penstock.v1.BasicCredentials');
    const password = credentials?.fields.find(({ name }) => name === 'password');
    assert.equal(password?.proto.options?.debugRedact, true);
    const rules = registry.getExtension('buf.validate.field');
    assert.ok(password && rules && getOption(password, rules), 'the rules are kept');
  });
}

test('symbols, files and extensions are found; what is not known is said', async (t) => {
  const answers = await ask(
    t,
    ServerReflection,
    { case: 'fileContainingSymbol', value: 'penstock.v1.IntegrationService.CreateIntegration' },
    { case: 'fileContainingSymbol', value: 'penstock.v1.Integration.name' },
    { case: 'fileContainingSymbol', value: 'google.rpc.BadRequest' },
    { case: 'fileByFilename', value: 'penstock/v1/integration.proto' },
    {
      case: 'fileContainingExtension',
      value: {
        $typeName: 'grpc.reflection.v1.ExtensionRequest',
        containingType: 'google.protobuf.FieldOptions',
        extensionNumber: 1159,
      },
    },
    { case: 'allExtensionNumbersOfType', value: 'google.protobuf.FieldOptions' },
    { case: 'fileContainingSymbol', value: 'no.such.Thing' },
    { case: 'fileByFilename', value: 'no/such.proto' },
    { case: undefined },
  );
  const told = answers.map((answer) => {
    if (answer.case === 'fileDescriptorResponse') {
      const [first] = answer.value.fileDescriptorProto;
      return first && fromBinary(FileDescriptorProtoSchema, first).name;
    }
    if (answer.case === 'allExtensionNumbersResponse') return answer.value.extensionNumber.includes(1159);
    return answer.case === 'errorResponse' ? answer.value.errorCode : answer.case;
  });
  assert.deepEqual(told, [
    'penstock/v1/integration_service.proto',
    'penstock/v1/integration.proto',
    'google/rpc/error_details.proto',
    'penstock/v1/integration.proto',
    'buf/validate/validate.proto',
    true,
    Code.NOT_FOUND,
    Code.NOT_FOUND,
    Code.INVALID_ARGUMENT,
  ]);
});
