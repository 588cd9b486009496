import { isIP } from 'node:net';

/** One setting: how its text is read, what it is without one, and what it is for. */
export interface Setting<T> {
  readonly default: T;
  readonly unit?: string;
  readonly help: string;
  /** Never printed. */
  readonly secret?: boolean;
  /** Reads a text; throws an `Error` that says what would be right. */
  read(text: string): T;
}

/** Of an integer: a port, where 0 is any free one. */
export const PORT = { min: 0, max: 65535 };
/** Of an integer: milliseconds, of which timers take no more. */
export const MS = { unit: 'ms', min: 1, max: 2_147_483_647 };

export function text(fallback: string, help: string, options: { secret?: boolean } = {}): Setting<string> {
  return { default: fallback, help, ...options, read: (value) => value };
}

export function integer(
  fallback: number,
  help: string,
  options: { unit?: string; min?: number; max?: number } = {},
): Setting<number> {
  const { unit, min = 0, max = Number.MAX_SAFE_INTEGER } = options;
  return {
    default: fallback,
    help,
    ...(unit === undefined ? {} : { unit }),
    read(value) {
      const number = Number(value);
      if (!/^-?\d+$/.test(value.trim()) || number < min || number > max) {
        throw new Error(`must be a whole number from ${min} to ${max}`);
      }
      return number;
    },
  };
}

export function boolean(fallback: boolean, help: string): Setting<boolean> {
  return {
    default: fallback,
    help,
    read(value) {
      if (value === 'true') return true;
      if (value === 'false') return false;
      throw new Error('must be true or false');
    },
  };
}

export function choice<const T extends string>(fallback: T, choices: readonly T[], help: string): Setting<T> {
  return {
    default: fallback,
    help: `${help} One of ${choices.join(', ')}.`,
    read(value) {
      const found = choices.find((one) => one === value);
      if (found === undefined) throw new Error(`must be one of ${choices.join(', ')}`);
      return found;
    },
  };
}

/** A comma-separated list of IP addresses, each with or without a port: `10.0.0.2`, `10.0.0.2:5353`, `[fd00::2]:5353`. */
export function addresses(fallback: readonly string[], help: string): Setting<readonly string[]> {
  const items = list(fallback, help);
  return {
    ...items,
    read(value) {
      const read = items.read(value);
      const wrong = read.find((item) => isIP(addressOf(item)) === 0);
      if (wrong === undefined) return read;
      throw new Error(`${wrong} must be an IP address, with or without a port: 10.0.0.2, [fd00::2]:53`);
    },
  };
}

/** Without brackets and port. */
const addressOf = (item: string): string => {
  const [, inBrackets, beforePort] = /^(?:\[(.*)\](?::\d+)?|([^:]*):\d+)$/s.exec(item) ?? [];
  return inBrackets ?? beforePort ?? item;
};

/** A comma-separated list; blanks around the items do not count. */
export function list(fallback: readonly string[], help: string): Setting<readonly string[]> {
  return {
    default: fallback,
    help,
    read(value) {
      const items = value
        .split(',')
        .map((item) => item.trim())
        .filter((item) => item !== '');
      if (items.length === 0) throw new Error('must name at least one item, separated by commas');
      return items;
    },
  };
}
