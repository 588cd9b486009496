import { createRegistry, type DescFile, type DescService, type Registry, toBinary } from '@bufbuild/protobuf';
import { FileDescriptorProtoSchema } from '@bufbuild/protobuf/wkt';
import { Code } from '../../gen/google/rpc/code_pb.ts';
import { ServerReflection as V1 } from '../../gen/grpc/reflection/v1/reflection_pb.ts';
import { ServerReflection as V1Alpha } from '../../gen/grpc/reflection/v1alpha/reflection_pb.ts';
import { type RpcService, rpcService } from './service.ts';

/** The question of either version: they have the same fields. */
type Question =
  | {
      case: 'listServices' | 'fileByFilename' | 'fileContainingSymbol' | 'allExtensionNumbersOfType';
      value: string;
    }
  | { case: 'fileContainingExtension'; value: { containingType: string; extensionNumber: number } }
  | { case: undefined; value?: undefined };

type Answer =
  | { case: 'listServicesResponse'; value: { service: { name: string }[] } }
  | { case: 'fileDescriptorResponse'; value: { fileDescriptorProto: Uint8Array[] } }
  | { case: 'allExtensionNumbersResponse'; value: { baseTypeName: string; extensionNumber: number[] } }
  | { case: 'errorResponse'; value: { errorCode: number; errorMessage: string } };

/**
 * gRPC server reflection, v1 and v1alpha, of these services and of itself, with all options of the schema.
 * `extra`: files that are reached only through `google.protobuf.Any`, such as error details.
 */
export function reflectionServices(
  services: readonly DescService[],
  extra: readonly DescFile[],
): readonly RpcService[] {
  const answer = answerer([...services, V1, V1Alpha], extra);
  const v1 = rpcService(V1, {
    async *serverReflectionInfo(requests) {
      for await (const request of requests) {
        const { host, messageRequest } = request;
        yield { validHost: host, originalRequest: request, messageResponse: answer(messageRequest) };
      }
    },
  });
  const v1alpha = rpcService(V1Alpha, {
    async *serverReflectionInfo(requests) {
      for await (const request of requests) {
        const { host, messageRequest } = request;
        yield { validHost: host, originalRequest: request, messageResponse: answer(messageRequest) };
      }
    },
  });
  return [v1, v1alpha];
}

function answerer(services: readonly DescService[], extra: readonly DescFile[]) {
  const files = withImports([...services.map(({ file }) => file), ...extra]);
  const registry = createRegistry(...files.values());
  return (question: Question): Answer => {
    switch (question.case) {
      case 'listServices':
        return {
          case: 'listServicesResponse',
          value: { service: services.map(({ typeName }) => ({ name: typeName })) },
        };
      case 'fileByFilename':
        return fileAnswer(files.get(question.value), question.value);
      case 'fileContainingSymbol':
        return fileAnswer(fileOfSymbol(registry, question.value), question.value);
      case 'fileContainingExtension': {
        const { containingType, extensionNumber } = question.value;
        const extended = registry.getMessage(containingType);
        const extension = extended && registry.getExtensionFor(extended, extensionNumber);
        return fileAnswer(extension?.file, `extension ${extensionNumber} of ${containingType}`);
      }
      case 'allExtensionNumbersOfType':
        return extensionsAnswer(registry, question.value);
      default:
        return errorAnswer(Code.INVALID_ARGUMENT, 'the request asks nothing');
    }
  };
}

/** The files by name, with all they import, each before what imports it. */
function withImports(roots: readonly DescFile[]): Map<string, DescFile> {
  const files = new Map<string, DescFile>();
  const add = (file: DescFile): void => {
    if (files.has(file.proto.name)) return;
    file.dependencies.forEach(add);
    files.set(file.proto.name, file);
  };
  roots.forEach(add);
  return files;
}

/** A method, field or enum value is in the file of what it belongs to. */
function fileOfSymbol(registry: Registry, symbol: string): DescFile | undefined {
  const found = registry.get(symbol);
  if (found !== undefined) return found.file;
  const parentEnd = symbol.lastIndexOf('.');
  return parentEnd <= 0 ? undefined : fileOfSymbol(registry, symbol.slice(0, parentEnd));
}

function fileAnswer(file: DescFile | undefined, what: string): Answer {
  if (file === undefined) return errorAnswer(Code.NOT_FOUND, `${what} is not known`);
  // The file that was asked for comes first, what it imports after it.
  const files = [...withImports([file]).values()].reverse();
  const fileDescriptorProto = files.map(({ proto }) => toBinary(FileDescriptorProtoSchema, proto));
  return { case: 'fileDescriptorResponse', value: { fileDescriptorProto } };
}

function extensionsAnswer(registry: Registry, typeName: string): Answer {
  if (registry.getMessage(typeName) === undefined) {
    return errorAnswer(Code.NOT_FOUND, `${typeName} is not known`);
  }
  const extensionNumber = [...registry].flatMap((type) =>
    type.kind === 'extension' && type.extendee.typeName === typeName ? [type.number] : [],
  );
  return { case: 'allExtensionNumbersResponse', value: { baseTypeName: typeName, extensionNumber } };
}

const errorAnswer = (errorCode: Code, errorMessage: string): Answer => ({
  case: 'errorResponse',
  value: { errorCode, errorMessage },
});
