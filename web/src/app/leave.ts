import { effect, signal, untracked } from '@preact/signals';
import { pickNone } from '../pages/integrations/picking.tsx';
import { self } from './self.ts';

/** Whose tab it is, by the name. */
const WHO = 'penstock.who';

/** Counts the people that this tab has seen: what a page holds is of one of them. */
export const people = signal(0);

/** Forgets what was typed and chosen: the next person is somebody else. */
export function leave(): void {
  pickNone();
  try {
    sessionStorage.clear();
  } catch {
    // Nothing is kept.
  }
}

/** From now on a tab forgets what was typed and chosen in it when somebody else logs in, wherever that is. */
export function leaveToOthers(): void {
  let known = keptName();
  effect(() => {
    const name = self.value?.name;
    if (name === undefined) return;
    if (known !== undefined && known !== name) {
      untracked(() => {
        leave();
        people.value++;
      });
    }
    known = name;
    keepName(name);
  });
}

function keptName(): string | undefined {
  try {
    return sessionStorage.getItem(WHO) ?? undefined;
  } catch {
    return undefined;
  }
}

function keepName(name: string): void {
  try {
    sessionStorage.setItem(WHO, name);
  } catch {
    // It is known as long as the page is there.
  }
}
