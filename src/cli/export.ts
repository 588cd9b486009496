import type { Writable } from 'node:stream';
import { IntegrationView, PenstockError } from '../client/node.ts';
import { readCallSettings } from '../runtime/settings.ts';
import { UserError } from '../runtime/user-error.ts';
import { everyIntegration, inTurn } from '../yaml/apply.ts';
import { integrationYaml } from '../yaml/write-integration.ts';
import { connectionOf, isOverTls } from './connection.ts';
import { failureText } from './failure.ts';
import { printing } from './printer.ts';
import { EXPORT_USAGE, parseExportOptions } from './yaml-options.ts';

/**
 * `penstock export`: prints integrations as YAML.
 * @throws UserError when one cannot be read
 */
export async function runExport(args: readonly string[], out: Writable): Promise<void> {
  await printing(out, async (print) => {
    const { help, all, ids, given } = parseExportOptions(args);
    if (help) return print(EXPORT_USAGE);
    const settings = readCallSettings(given);
    using penstock = connectionOf(settings);
    const { integrations: calls } = penstock;
    try {
      const named = await inTurn(ids, async (id) => (await calls.getIntegration({ id })).integration!);
      let isFirst = true;
      for await (const one of all ? everyIntegration(calls, IntegrationView.FULL) : named) {
        await print(`${isFirst ? '' : '---\n'}${integrationYaml(one).trimEnd()}`);
        isFirst = false;
      }
    } catch (error) {
      if (!(error instanceof PenstockError)) throw error;
      const called = { address: settings.PENSTOCK_ADDRESS, isTls: isOverTls(settings) };
      throw new UserError(failureText(error, { ...called, request: 'GetIntegrationRequest' }), {
        cause: error,
      });
    }
  });
}
