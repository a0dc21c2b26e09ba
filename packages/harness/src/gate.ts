// A TCP way to a server that fails as networks do: silently, slowly, in one direction only, with every connection
// refused, or with connections reset in the middle of an answer.
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';

/** From whoever connects to the target, or back from it. */
export type Direction = 'to-target' | 'from-target';

export const directions: readonly Direction[] = ['to-target', 'from-target'];

interface Held {
  readonly bytes: Buffer;
  readonly due_ms: number;
}

/** One direction of one connection. */
class Flow {
  readonly #gate: Gate;
  readonly #direction: Direction;
  readonly #from: Socket;
  readonly #to: Socket;
  /** On its way, in order. */
  readonly #held: Held[] = [];
  #timer: NodeJS.Timeout | undefined;
  #isOver = false;
  /** The next bytes are passed on by half, and that is the end of the connection. */
  isDoomed = false;

  constructor(gate: Gate, direction: Direction, from: Socket, to: Socket) {
    this.#gate = gate;
    this.#direction = direction;
    this.#from = from;
    this.#to = to;
    from.on('data', (bytes) => {
      this.#onData(bytes);
    });
    from.on('error', () => undefined);
    to.on('drain', () => {
      this.settle();
    });
    from.on('close', () => {
      this.#isOver = true;
      this.#pass();
    });
    if (gate.isSilent(direction)) from.pause();
  }

  /** What the gate says may have changed. */
  settle(): void {
    if (this.#gate.isSilent(this.#direction)) {
      this.#from.pause();
      return;
    }
    this.#from.resume();
    this.#pass();
  }

  #onData(bytes: Buffer): void {
    if (this.isDoomed) {
      this.#gate.torn++;
      this.#to.write(bytes.subarray(0, Math.floor(bytes.length / 2)), () => {
        this.#to.resetAndDestroy();
        this.#from.resetAndDestroy();
      });
      return;
    }
    const due_ms = performance.now() + this.#gate.delay_ms(this.#direction);
    this.#held.push({ bytes, due_ms: Math.max(due_ms, this.#held.at(-1)?.due_ms ?? 0) });
    this.#pass();
  }

  #pass(): void {
    // Of an end nothing is heard either while it is silent.
    if (this.#gate.isSilent(this.#direction)) return;
    clearTimeout(this.#timer);
    for (let next = this.#held[0]; next !== undefined; next = this.#held[0]) {
      const wait_ms = next.due_ms - performance.now();
      if (wait_ms > 0) {
        this.#timer = setTimeout(() => {
          this.#pass();
        }, Math.ceil(wait_ms));
        return;
      }
      this.#held.shift();
      if (!this.#to.destroyed && !this.#to.write(next.bytes)) this.#from.pause();
    }
    if (this.#isOver) this.#to.destroySoon();
  }
}

interface Way {
  readonly near: Socket;
  readonly far: Socket;
  readonly flows: readonly Flow[];
}

export class Gate {
  readonly port: number;
  /** Port on loopback that it leads to; 0 while there is nothing behind it. */
  target = 0;
  /** Connections that were reset in the middle of an answer so far. */
  torn = 0;
  readonly #server: Server;
  readonly #ways = new Set<Way>();
  readonly #silent = new Set<Direction>();
  readonly #delays_ms = new Map<Direction, number>();
  #isRefusing = false;

  private constructor(server: Server) {
    this.#server = server;
    this.port = (server.address() as AddressInfo).port;
    server.on('connection', (socket) => {
      this.#accept(socket);
    });
  }

  static async open(): Promise<Gate> {
    const server = createServer({ pauseOnConnect: true });
    await new Promise<void>((resolve) => {
      server.listen(0, '127.0.0.1', resolve);
    });
    return new Gate(server);
  }

  /** Connections through it now. */
  get connections(): number {
    return this.#ways.size;
  }

  isSilent(direction: Direction): boolean {
    return this.#silent.has(direction);
  }

  delay_ms(direction: Direction): number {
    return this.#delays_ms.get(direction) ?? 0;
  }

  /** Nothing goes through any more, and nobody is told. */
  silence(...which: readonly Direction[]): void {
    for (const direction of which.length === 0 ? directions : which) this.#silent.add(direction);
    this.#settle();
  }

  /** What is sent from now on arrives that much later, in order. */
  delay(delay_ms: number, ...which: readonly Direction[]): void {
    for (const direction of which.length === 0 ? directions : which) this.#delays_ms.set(direction, delay_ms);
  }

  /** As a firewall that rejects, or a process that is gone. */
  refuse(): void {
    this.#isRefusing = true;
    for (const { near, far } of this.#ways) {
      near.resetAndDestroy();
      far.resetAndDestroy();
    }
  }

  /** Of each connection that there is now the next answer is passed on by half, and then the connection is reset. */
  tearAnswers(): void {
    for (const { flows } of this.#ways) for (const flow of flows.slice(1)) flow.isDoomed = true;
  }

  /** Answers are whole again, also on connections on which none has come yet. */
  spareAnswers(): void {
    for (const { flows } of this.#ways) for (const flow of flows) flow.isDoomed = false;
  }

  /** What was held up arrives late, as it would. */
  heal(): void {
    this.#isRefusing = false;
    this.#silent.clear();
    this.#delays_ms.clear();
    this.spareAnswers();
    this.#settle();
  }

  async close(): Promise<void> {
    for (const { near, far } of this.#ways) {
      near.destroy();
      far.destroy();
    }
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #settle(): void {
    for (const { flows } of this.#ways) for (const flow of flows) flow.settle();
  }

  #accept(near: Socket): void {
    if (this.#isRefusing || this.target === 0) {
      near.resetAndDestroy();
      return;
    }
    const far = connect(this.target, '127.0.0.1');
    const flows = [new Flow(this, 'to-target', near, far), new Flow(this, 'from-target', far, near)];
    const way: Way = { near, far, flows };
    this.#ways.add(way);
    for (const socket of [near, far]) {
      socket.setNoDelay(true);
      socket.on('close', () => {
        if (near.destroyed && far.destroyed) this.#ways.delete(way);
      });
    }
    if (!this.isSilent('to-target')) near.resume();
  }
}
