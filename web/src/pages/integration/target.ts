import type { Integration } from '../../../../src/client/contract.ts';
import { typeName } from '../../ui/names.ts';

/** Where messages go, in a word: what the type and, where it is known, the configuration say. */
export function targetOf({ type, configuration }: Integration): string {
  switch (configuration.case) {
    case 'http':
      return configuration.value.restEndpointUrl;
    case 'mqtt':
      return `${configuration.value.host}:${configuration.value.port}`;
    case 'kafka':
      return configuration.value.bootstrapServers.join(', ');
    default:
      return typeName(type);
  }
}
