import { zone } from '../app/preferences.ts';
import { inputText, readInput, readIso } from './times.ts';

interface TimeInputProps {
  readonly label: string;
  /** In ISO 8601, as a URL has it; empty: none. */
  readonly value: string;
  readonly onChange: (value: string) => void;
}

/** A date and a time, in the zone that is chosen. */
export function TimeInput({ label, value, onChange }: TimeInputProps) {
  const time = readIso(value);
  return (
    <label>
      {label} ({zone.value})
      <input
        type="datetime-local"
        step={1}
        value={time ? inputText(time, zone.value) : ''}
        onChange={({ currentTarget }) =>
          onChange(readInput(currentTarget.value, zone.value)?.toISOString() ?? '')
        }
      />
    </label>
  );
}
