import { setFlagsFromString } from 'node:v8';
import type { Role } from './role.ts';
import { systemClock } from './runtime/clock.ts';
import { createLogger, type Logger } from './runtime/logger.ts';
import { NameResolver } from './runtime/name-resolver.ts';
import { runService } from './runtime/run-service.ts';
import type { Setting } from './runtime/setting.ts';
import { readSettings, SETTINGS, type SettingName, type Settings } from './runtime/settings.ts';
import { UserError } from './runtime/user-error.ts';
import { Warnings } from './runtime/warnings.ts';
import { parseOptions, USAGE } from './usage.ts';

// Most messages of a full window outlive a young collection. V8 would learn from it to make them among the old objects right
// away, where only full collections free them: a fifth of all work of an executor that is busy.
setFlagsFromString('--no-allocation-site-pretenuring');

/** Orchestrators often wait for 30 seconds; what is needed for a stop in order takes about 10 at most. Milliseconds. */
const STOP_WITHIN = 14_000;
const HELP = ['help', '--help', '-h'];

const say = (line: string): void => {
  process.stdout.write(`${line}\n`);
};
const complain = (line: string): void => {
  process.stderr.write(`${line}\n`);
};

const logTo = (stream: NodeJS.WriteStream, settings: Settings): Logger =>
  createLogger(settings.PENSTOCK_LOG_LEVEL, systemClock, (line) => stream.write(line), {
    serviceId: settings.TB_SERVICE_ID,
  });

/** Runs roles until a signal, logging to stderr. */
async function runRoles(roles: readonly Role[], settings: Settings): Promise<void> {
  const { startProcess } = await import('./process.ts');
  const logger = logTo(process.stderr, settings);
  await runService((signal) => startProcess(roles, settings, { clock: systemClock, logger }, signal), {
    say,
    complain,
    logger,
    stopWithin: STOP_WITHIN,
  });
}

async function runDev(given: Partial<Record<SettingName, string>>, demo: boolean): Promise<void> {
  const { startDev } = await import('./dev/dev.ts');
  const settings = readSettings(given);
  if (demo && settings.PENSTOCK_TLS_CERT_FILE !== '') {
    throw new UserError(
      'the demo calls without TLS: unset PENSTOCK_TLS_CERT_FILE and PENSTOCK_TLS_KEY_FILE for it',
    );
  }
  if (demo && settings.PENSTOCK_LOGIN === 'required') {
    throw new UserError('the demo calls without a token: unset PENSTOCK_LOGIN for it');
  }
  const logger = logTo(process.stderr, { ...settings, PENSTOCK_LOG_LEVEL: 'error' });
  await runService(
    async (signal) => {
      await using stack = new AsyncDisposableStack();
      const dev = stack.use(await startDev(settings, { say, clock: systemClock }, signal));
      if (demo) {
        const { startDemo } = await import('./dev/demo.ts');
        stack.use(await startDemo(dev, { say, clock: systemClock }, signal));
      }
      const started = stack.move();
      return { failed: dev.failed, [Symbol.asyncDispose]: () => started.disposeAsync() };
    },
    { say, complain, logger },
  );
}

function printSettings(given: Partial<Record<SettingName, string>>): void {
  const settings = readSettings(given);
  for (const name of Object.keys(SETTINGS) as SettingName[]) {
    const { default: fallback, help, unit, secret }: Setting<unknown> = SETTINGS[name];
    const value = secret && settings[name] !== fallback ? '***' : String(settings[name]);
    const isDefault = String(settings[name]) === String(fallback);
    say(
      `${name}=${value}\n    ${help}${unit ? ` In ${unit}.` : ''}${isDefault ? '' : ` Default: ${fallback}.`}`,
    );
  }
}

async function runAdmin([what, ...args]: readonly string[]): Promise<void> {
  const options = parseOptions(`admin ${what}`, HELP.includes(what ?? '') ? ['--help'] : args);
  if (options.help || what === undefined) return say(USAGE);
  const settings = readSettings(options.given);
  const deps = { say, clock: systemClock, logger: logTo(process.stderr, settings) };
  switch (what) {
    case 'create-token': {
      const { createToken } = await import('./control-plane/commands/create-token.ts');
      const { reachKafka } = await import('./own-kafka.ts');
      const resolver = new NameResolver({ servers: settings.PENSTOCK_DNS_SERVERS, clock: systemClock });
      const own = { ...deps, resolver, warnings: new Warnings(), random: Math.random };
      return createToken(settings, options.token, {
        ...deps,
        complain,
        reachKafka: () => reachKafka(settings, own),
      });
    }
    case 'rotate-keys': {
      const { rotateKeys } = await import('./control-plane/commands/rotate-keys.ts');
      if (!(await rotateKeys(settings, deps))) process.exitCode = 1;
      return;
    }
    default:
      throw new UserError(`there is no command admin ${what}: penstock --help lists them`);
  }
}

async function main([command, ...args]: readonly string[]): Promise<void> {
  if (command === 'admin') return runAdmin(args);
  if (command === 'call') {
    const { runCall } = await import('./cli/call.ts');
    return runCall(args, { out: process.stdout, input: process.stdin });
  }
  if (command === 'export') {
    const { runExport } = await import('./cli/export.ts');
    return runExport(args, process.stdout);
  }
  if (command === 'apply') {
    const { runApply } = await import('./cli/apply.ts');
    return runApply(args, { out: process.stdout, input: process.stdin });
  }
  const options = parseOptions(command, args);
  if (options.help || command === undefined || HELP.includes(command)) return say(USAGE);
  switch (command) {
    case 'dev':
    case 'demo':
      return runDev(options.given, command === 'demo');
    case 'control-plane':
    case 'ingress':
    case 'executor':
      return runRoles([command], readSettings(options.given));
    case 'start': {
      const settings = readSettings(options.given);
      return runRoles(
        settings.TB_SERVICE_TYPE === 'tbmq' ? ['control-plane', 'ingress'] : ['executor'],
        settings,
      );
    }
    case 'settings':
      return printSettings(options.given);
    default:
      throw new UserError(`there is no command ${command}: penstock --help lists them`);
  }
}

try {
  await main(process.argv.slice(2));
} catch (error) {
  if (!(error instanceof UserError)) throw error;
  complain(`penstock: ${error.message}`);
  process.exitCode = 1;
}
