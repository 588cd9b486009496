import { pemText, pemWanted } from '../pem.ts';

/** The largest file that is read: a chain of certificates is far smaller. */
const MAX_BYTES = 1_048_576;

interface PemProps {
  /** Of the field. */
  readonly name: string;
  readonly label: string;
  readonly value: string;
  readonly onChange: (value: string) => void;
}

/** Beside a field for PEM: takes a file, and says what is in the field. */
export function Pem({ name, label, value, onChange }: PemProps) {
  const wants = pemWanted(name);
  if (wants === undefined) return null;
  const { text, isWrong } = pemText(value, wants);
  const read = async (file: File | undefined) => {
    if (file && file.size <= MAX_BYTES) onChange(await file.text());
  };
  return (
    <fieldset
      class="pem"
      aria-label={`${label}: PEM`}
      onDragOver={(event) => event.preventDefault()}
      onDrop={(event) => {
        event.preventDefault();
        void read(event.dataTransfer?.files[0]);
      }}
    >
      <label class="file">
        From a file, or dropped here
        <input
          type="file"
          accept=".pem,.crt,.cer,.key"
          aria-label={`${label} from a file`}
          onChange={({ currentTarget }) => {
            void read(currentTarget.files?.[0]);
            currentTarget.value = '';
          }}
        />
      </label>
      <span class={isWrong ? 'problem' : 'quiet'} role="status">
        {text}
      </span>
    </fieldset>
  );
}
