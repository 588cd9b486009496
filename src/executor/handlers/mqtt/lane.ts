import { FailureClass } from '../../../../gen/penstock/v1/envelope_pb.ts';
import { type Failure, heldBy, isHopeless, type Outcome } from '../handler.ts';
import type { BrokerConnection } from './broker-connection.ts';

/**
 * The messages of one order key that are on their way. They keep to one connection, whose order the broker keeps (MQTT 5.0
 * section 4.6), and none leaves behind one that failed and may be tried again.
 */
export class Lane {
  readonly connection: BrokerConnection;
  readonly #key: string;
  readonly #onEnd: () => void;
  #onWay = 0;
  #exactlyOnce = 0;
  #failure: Failure | undefined;

  /** @param onEnd called when nothing is on its way any more, and whoever was told of a failure knows it */
  constructor(connection: BrokerConnection, key: string, onEnd: () => void) {
    this.connection = connection;
    this.#key = key;
    this.#onEnd = onEnd;
  }

  /** Why the next message must not leave now; undefined: it is on its way from here on. */
  enter(qos: number): Failure | undefined {
    if (this.#failure) return heldBy(this.#failure);
    // Brokers pass QoS 2 on at the end of its exchange, and what comes meanwhile before that.
    if (qos < 2 && this.#exactlyOnce > 0) return BEHIND_QOS_2;
    this.#onWay++;
    if (qos === 2) this.#exactlyOnce++;
    return undefined;
  }

  /** What became of one that was on its way. */
  leave(qos: number, outcome: Outcome): void {
    this.#onWay--;
    if (qos === 2) this.#exactlyOnce--;
    if (!outcome.delivered && !outcome.isHeld && !isHopeless(outcome)) {
      this.#failure ??= outcome;
      this.connection.hold(this.#key, outcome);
    }
    if (this.#onWay > 0) return;
    if (!this.#failure) this.#onEnd();
    // Who is told hears of it within this turn of the event loop, and sends what is behind no more.
    else setImmediate(() => this.#onWay === 0 && this.#onEnd());
  }
}

const BEHIND_QOS_2 = heldBy({
  delivered: false,
  failureClass: FailureClass.UNAVAILABLE,
  reason: 'it has QoS 2, and this one a lower one',
});
