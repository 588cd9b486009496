import { type buildConnector, Client, type Dispatcher } from 'undici';
import { Wire } from './wire.ts';

/** What is sent over connections and has to know which one it left by. */
export interface Passenger extends Dispatcher.DispatchHandler {
  connection: Connection | undefined;
}

/** One of undici's clients, which has one socket at a time and makes another when it is lost, with its wire. */
export class Connection extends Client {
  readonly #wires: { current: Wire | undefined };

  constructor(origin: string | URL, options: Client.Options) {
    const wires: { current: Wire | undefined } = { current: undefined };
    const connect = options.connect as buildConnector.connector;
    super(origin, {
      ...options,
      connect: (target, callback) =>
        connect(target, (...made) => {
          const [, socket] = made;
          wires.current = socket ? new Wire(socket) : undefined;
          callback(...made);
        }),
    });
    this.#wires = wires;
  }

  /** Of its socket; undefined: it has none. */
  get wire(): Wire | undefined {
    return this.#wires.current;
  }

  override dispatch(options: Dispatcher.DispatchOptions, handler: Passenger): boolean {
    handler.connection = this;
    return super.dispatch(options, handler);
  }
}
