import { readdirSync } from 'node:fs';
import type { DescFile, DescService } from '@bufbuild/protobuf';

const GEN = new URL('../../gen/penstock/v1/', import.meta.url);

/** Every service of the contract. */
export async function servicesOfContract(): Promise<readonly DescService[]> {
  const names = readdirSync(GEN).filter((name) => name.endsWith('_pb.ts'));
  const modules = await Promise.all(
    names.map((name): Promise<Record<string, unknown>> => import(new URL(name, GEN).href)),
  );
  return modules.flatMap((module) =>
    Object.values(module).flatMap((one) =>
      (one as DescFile)?.kind === 'file' ? (one as DescFile).services : [],
    ),
  );
}
