import { ClientConnection, type ClientConnectionDeps, type ClientSocket } from './client-connection.ts';

/** The connections that come over one transport. */
export class Connections {
  readonly #deps: ClientConnectionDeps;
  readonly #all = new Set<ClientConnection>();
  #isEnding = false;

  constructor(deps: ClientConnectionDeps) {
    this.#deps = deps;
    deps.metrics.mqttConnections.inc({ transport: deps.transport }, 0); // to be seen from the start
  }

  take(socket: ClientSocket): void {
    if (this.#isEnding) {
      socket.destroy();
      return;
    }
    const connection = new ClientConnection(socket, this.#deps);
    this.#all.add(connection);
    void connection.closed.then(() => this.#all.delete(connection));
  }

  /** Ends them in order, and takes no more. Resolves once they are closed, which clients bound, and Kafka. */
  async shutDown(): Promise<void> {
    this.#isEnding = true;
    for (const connection of this.#all) connection.shutDown();
    await Promise.all([...this.#all].map(({ closed }) => closed));
  }

  destroy(): void {
    for (const connection of this.#all) connection.destroy();
  }
}
