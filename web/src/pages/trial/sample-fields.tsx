import type { Sample } from './sample.ts';

interface SampleFieldsProps {
  readonly sample: Sample;
  readonly onChange: (next: Sample) => void;
}

/** The message that is tried, as somebody types it. */
export function SampleFields({ sample, onChange }: SampleFieldsProps) {
  const { topicName, clientId, qos, retain, payload, userProperties, base } = sample;
  return (
    <div class="sample">
      <label>
        Topic
        <input
          value={topicName}
          spellcheck={false}
          onInput={({ currentTarget }) => onChange({ ...sample, topicName: currentTarget.value })}
        />
      </label>
      <label>
        Payload
        <textarea
          rows={4}
          spellcheck={false}
          placeholder={
            payload === undefined ? `${base?.payload.length} bytes that are no text, as they are` : ''
          }
          value={payload ?? ''}
          onInput={({ currentTarget }) => onChange({ ...sample, payload: currentTarget.value })}
        />
      </label>
      <div class="sample-row">
        <label>
          Client
          <input
            value={clientId}
            spellcheck={false}
            onInput={({ currentTarget }) => onChange({ ...sample, clientId: currentTarget.value })}
          />
        </label>
        <label>
          QoS
          <select
            value={qos}
            onChange={({ currentTarget }) => onChange({ ...sample, qos: Number(currentTarget.value) })}
          >
            {[0, 1, 2].map((one) => (
              <option key={one} value={one}>
                {one}
              </option>
            ))}
          </select>
        </label>
        <label class="radio">
          <input
            type="checkbox"
            checked={retain}
            onChange={({ currentTarget }) => onChange({ ...sample, retain: currentTarget.checked })}
          />
          Retained
        </label>
      </div>
      <label>
        User properties
        <textarea
          rows={2}
          spellcheck={false}
          placeholder="name: value, one in each line"
          value={userProperties}
          onInput={({ currentTarget }) => onChange({ ...sample, userProperties: currentTarget.value })}
        />
      </label>
    </div>
  );
}
