import type { SettingName } from '../runtime/settings.ts';

/** The options by which every command of the client says where it calls and as whom, for `parseArgs`. */
export const CONNECTION_OPTIONS = {
  help: { type: 'boolean', short: 'h' },
  address: { type: 'string' },
  token: { type: 'string' },
  'token-file': { type: 'string' },
  tls: { type: 'boolean' },
  ca: { type: 'string' },
  cert: { type: 'string' },
  key: { type: 'string' },
  timeout: { type: 'string' },
} as const;

/** The setting that an option stands for. */
const SETTING_OF = {
  address: 'PENSTOCK_ADDRESS',
  'token-file': 'PENSTOCK_TOKEN_FILE',
  tls: 'PENSTOCK_CALL_TLS',
  ca: 'PENSTOCK_CALL_CA_FILE',
  cert: 'PENSTOCK_CALL_CERT_FILE',
  key: 'PENSTOCK_CALL_KEY_FILE',
  timeout: 'PENSTOCK_CALL_TIMEOUT_SEC',
} as const satisfies Record<string, SettingName>;

export const CONNECTION_HELP = `  --address HOST:PORT where the gRPC port is (PENSTOCK_ADDRESS, 127.0.0.1:9090)
  --token-file FILE   a file with the token to show, or the token in PENSTOCK_TOKEN; never as an argument, which
                      the process list shows. Without TLS it can be read on its way (PENSTOCK_TOKEN_FILE)
  --tls               the port speaks TLS (PENSTOCK_CALL_TLS=true); so do --ca and --cert say
  --ca FILE           the authorities that signed its certificate, in PEM (PENSTOCK_CALL_CA_FILE, those of the system)
  --cert FILE         the certificate to show, in PEM (PENSTOCK_CALL_CERT_FILE), and
  --key FILE          its private key (PENSTOCK_CALL_KEY_FILE)`;

/** Settings that are given as options. */
export type Given = Partial<Record<SettingName, string>>;

/** @throws when a token is given, which the process list would show */
export function givenSettings(values: Readonly<Partial<Record<string, string | boolean>>>): Given {
  if (values.token !== undefined) {
    throw new Error('the process list would show a token: put it into PENSTOCK_TOKEN, or into --token-file');
  }
  const given: Given = {};
  for (const [option, setting] of Object.entries(SETTING_OF)) {
    const value = values[option];
    if (value !== undefined) given[setting] = String(value);
  }
  return given;
}
