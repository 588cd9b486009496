// The contract with its comments, which what is generated for TypeScript does not have.
import { execFileSync } from 'node:child_process';
import {
  createFileRegistry,
  type DescEnum,
  type DescMessage,
  type DescMethod,
  type DescService,
  fromBinary,
} from '@bufbuild/protobuf';
import { FileDescriptorSetSchema } from '@bufbuild/protobuf/wkt';

export const ROOT = new URL('..', import.meta.url);

const image = execFileSync(
  'node_modules/.bin/buf',
  ['build', 'proto', '--as-file-descriptor-set', '-o', '-'],
  { cwd: ROOT, maxBuffer: 64 << 20 },
);
const files = fromBinary(FileDescriptorSetSchema, image);
export const registry = createFileRegistry(files);
const comments = new Map(
  files.file.flatMap(({ name, sourceCodeInfo }) =>
    (sourceCodeInfo?.location ?? []).map(({ path, leadingComments }) => [
      [name, ...path].join(),
      leadingComments,
    ]),
  ),
);

/** Of a message or an enum at the top of its file, or of one of its fields or values; in one line. */
export function commentOf(desc: DescMessage | DescEnum, member?: number): string {
  const isMessage = desc.kind === 'message';
  const siblings: readonly (DescMessage | DescEnum)[] = isMessage ? desc.file.messages : desc.file.enums;
  const index = siblings.indexOf(desc);
  if (index < 0)
    throw new Error(`${desc.typeName} is inside another message: move it to the top of its file`);
  const path = [isMessage ? 4 : 5, index, ...(member === undefined ? [] : [2, member])];
  return oneLine(comments.get([desc.file.proto.name, ...path].join()) ?? '');
}

/** Of a service or an RPC, with its paragraphs. */
export function commentOfCall(desc: DescService | DescMethod): string {
  const service = desc.kind === 'service' ? desc : desc.parent;
  const path = [6, service.file.services.indexOf(service)];
  if (desc.kind === 'rpc') path.push(2, service.methods.indexOf(desc));
  const comment = comments.get([service.file.proto.name, ...path].join()) ?? '';
  return comment.split('\n\n').map(oneLine).join('\n\n');
}

const oneLine = (comment: string) => comment.trim().replaceAll(/\s*\n\s*/g, ' ');
