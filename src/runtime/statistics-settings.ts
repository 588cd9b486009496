import { integer, MS } from './setting.ts';

/** Figures of integrations: how often they are told, and how long they are kept. */
export const STATISTICS_SETTINGS = {
  PENSTOCK_STATISTICS_INTERVAL: integer(10_000, 'How often an executor reports figures that changed.', {
    ...MS,
    min: 100,
  }),
  PENSTOCK_STATISTICS_TTL_SEC: integer(
    2_592_000,
    'How long the history of figures is kept: by the minute for 6 hours, by ten minutes for 7 days, by the hour from then on.',
    { unit: 's', min: 3600, max: 3_155_760_000 },
  ),
  PENSTOCK_DEAD_LETTERS_COUNT_INTERVAL: integer(
    30_000,
    'How often the dead letters of all integrations are counted, at least.',
    { ...MS, min: 100 },
  ),
};
