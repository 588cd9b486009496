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
  try {
    const text = localStorage.getItem(`penstock.${name}`);
    return choices.find((one) => one === text) ?? choices[0]!;
  } catch {
    return choices[0]!; // a browser may keep nothing
  }
}

function keep(name: string, value: string): void {
  try {
    localStorage.setItem(`penstock.${name}`, value);
  } catch {
    // It lasts as long as the page.
  }
}
