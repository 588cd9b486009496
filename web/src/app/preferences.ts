import { effect, signal } from '@preact/signals';

export const THEMES = ['system', 'light', 'dark'] as const;
export type Theme = (typeof THEMES)[number];
export const ZONES = ['local', 'UTC'] as const;
export type Zone = (typeof ZONES)[number];

/** Kept in this browser. */
export const theme = signal<Theme>(stored('theme', THEMES));
export const zone = signal<Zone>(stored('zone', ZONES));

/** Applies and keeps what is chosen. */
export function keepPreferences(): void {
  effect(() => {
    keep('theme', theme.value);
    document.documentElement.dataset.theme = theme.value;
  });
  effect(() => keep('zone', zone.value));
}

function stored<T extends string>(name: string, choices: readonly T[]): T {
  const text = storedText(name);
  return choices.find((one) => one === text) ?? choices[0]!;
}

/** What was kept by a name; undefined: nothing. */
export function storedText(name: string): string | undefined {
  try {
    return localStorage.getItem(`penstock.${name}`) ?? undefined;
  } catch {
    return undefined; // a browser may keep nothing
  }
}

/** Keeps a text in this browser. */
export function keep(name: string, value: string): void {
  try {
    localStorage.setItem(`penstock.${name}`, value);
  } catch {
    // It lasts as long as the page.
  }
}
