import { getCACertificates } from 'node:tls';
import type { SASLOptions } from 'kafkajs';
import { type KafkaConfiguration, KafkaSaslMechanism } from '../../../../gen/penstock/v1/kafka_pb.ts';
import { type KafkaLogin, saslOf } from '../../../kafkajs/login.ts';
import { dialer } from '../../../runtime/dial.ts';
import type { HandlerContext } from '../handler.ts';
import { OAuth2Tokens } from '../oauth2.ts';
import { pemOptions } from '../tls.ts';

const PASSWORD_MECHANISMS: ReadonlyMap<KafkaSaslMechanism, KafkaLogin['mechanism']> = new Map([
  [KafkaSaslMechanism.PLAIN, 'plain'],
  [KafkaSaslMechanism.SCRAM_SHA_256, 'scram-sha-256'],
  [KafkaSaslMechanism.SCRAM_SHA_512, 'scram-sha-512'],
]);

/** How a client shows brokers who it is. Dispose it with the client. */
export interface Authentication extends Disposable {
  /** For kafkajs; undefined: not at all. */
  readonly sasl: SASLOptions | undefined;
  /** A broker refused it: what can be had anew is not used again. */
  refused(): void;
}

/** @param signal ends the waiting for a token */
export function authenticationOf(
  config: KafkaConfiguration,
  context: HandlerContext,
  signal: AbortSignal,
): Authentication {
  const { sasl } = config;
  const fixed = { refused() {}, [Symbol.dispose]() {} };
  if (!sasl) return { sasl: undefined, ...fixed };
  const { username, password = '' } = sasl;
  const mechanism = PASSWORD_MECHANISMS.get(sasl.mechanism);
  if (mechanism) return { sasl: saslOf({ mechanism, username, password }), ...fixed };
  const tokens = tokensOf(config, context);
  let last = '';
  return {
    sasl: {
      mechanism: 'oauthbearer',
      async oauthBearerProvider() {
        last = await tokens.freshToken(signal);
        return { value: last };
      },
    },
    refused: () => void tokens.refused(last),
    [Symbol.dispose]: () => tokens[Symbol.dispose](),
  };
}

function tokensOf({ sasl, tls }: KafkaConfiguration, { guard, clock }: HandlerContext): OAuth2Tokens {
  const client = {
    tokenUrl: sasl?.tokenEndpointUrl ?? '',
    clientId: sasl?.username ?? '',
    clientSecret: sasl?.password ?? '',
    scopes: sasl?.scopes ?? [],
    audience: '',
    authentication: 'header',
  } as const;
  const { ca } = tls ? pemOptions(tls) : {};
  // The authority of the brokers need not be that of the token endpoint.
  const trusted = ca ? { ca: [...getCACertificates('default'), ca] } : {};
  return new OAuth2Tokens(client, { dial: dialer(guard), tls: trusted, clock });
}
