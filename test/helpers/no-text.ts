import { hex } from './mqtt-bytes.ts';

/** What no string of MQTT may be: half of a surrogate pair, overlong forms, what is cut, what is beyond Unicode; NUL. */
export const NO_TEXT: readonly Buffer[] = [
  'eda080',
  'edbfbf',
  'c080',
  'c0af',
  'e282',
  '80',
  'f4908080',
  '00',
  '610062',
].map(hex);
