// The way between the nodes: links, probes, snapshots and questions, over connections that faults may cut.
import type { Caller, LinkSocket, ListenAt, Network, NodeDoors, PeerCall, ProbeOutcome, Served } from '@tandem/control';
import type { Member, NodeId } from '@tandem/pair';
import { TandemError, type Timer } from '@tandem/ports';
import type { SimulatedProcess } from '../virtual-time.ts';
import { request } from '../wire.ts';
import { Line, safeCrossing, type Crossing, type Way } from './lines.ts';
import { LinkEnd } from './link-end.ts';
import type { Random } from './random.ts';

/** A peer that answers nothing for this long is given up. */
const idleLimit_ms = 1_500;

/** A download that its client does not go on with for this long is ended. */
const stallLimit_ms = 1_000;

interface Listening {
  readonly network: NodeNetwork;
  readonly doors: NodeDoors;
  readonly caller: Caller;
}

/** What the nodes share: who listens where, and how good the ways between them are. */
export class Net {
  readonly #listening = new Map<string, Listening>();
  /** From each node to the other. */
  readonly ways: ReadonlyMap<NodeId, Way>;

  constructor(ways: ReadonlyMap<NodeId, Way>) {
    this.ways = ways;
  }

  way(from: NodeId): Way {
    const way = this.ways.get(from);
    if (way === undefined) throw new Error(`no node '${from}'`);
    return way;
  }

  listen(address: string, listening: Listening): void {
    this.#listening.set(address, listening);
  }

  leave(network: NodeNetwork): void {
    for (const [address, listening] of this.#listening) {
      if (listening.network === network) this.#listening.delete(address);
    }
  }

  /** Whoever listens there. */
  at(address: string): Listening | undefined {
    return this.#listening.get(address);
  }
}

export const addressOf = (node: NodeId): string => `http://${node}`;

/** That of one run of a node. */
export class NodeNetwork implements Network {
  readonly node: NodeId;
  readonly process: SimulatedProcess;
  readonly crossing: Crossing;
  /** Of the node that listens here; undefined before it does. */
  doors: NodeDoors | undefined;
  readonly #net: Net;
  readonly #random: Random;
  readonly #ends = new Set<LinkEnd>();
  /** Answers under way to others, to be broken off when this process is gone. */
  readonly #serving = new Set<() => void>();

  constructor(net: Net, node: NodeId, process: SimulatedProcess, crossing: Crossing, random: Random) {
    this.#net = net;
    this.node = node;
    this.process = process;
    this.crossing = crossing;
    this.#random = random;
  }

  serve(_at: ListenAt, doors: NodeDoors, caller: Caller): Promise<Served> {
    this.doors = doors;
    this.#net.listen(addressOf(this.node), { network: this, doors, caller });
    return Promise.resolve({
      address: addressOf(this.node),
      close: () => {
        this.breakOff();
        return Promise.resolve();
      },
    });
  }

  /** The process has gone, or closes its doors: whoever is connected finds out. */
  breakOff(): void {
    this.#net.leave(this);
    for (const end of this.#ends) end.breakOff();
    this.#ends.clear();
    for (const breakOff of this.#serving) breakOff();
    this.#serving.clear();
  }

  link(address: string): LinkSocket {
    const ours = this.#createEnd();
    const reached = this.#net.at(address);
    const theirs = reached === undefined ? undefined : reached.network.#createEnd();
    // Without anybody there the word of that comes back all the same.
    const back = theirs ?? new LinkEnd({ ...this.#endOptions(), way: this.#net.way(nodeAt(address)) });
    ours.peer = back;
    back.peer = ours;
    const refuse = (why: string): void => {
      back.carry((end) => {
        end.refuse(why);
      });
    };
    ours.carry(() => {
      const listening = this.#net.at(address);
      if (theirs === undefined || listening === undefined || listening.network !== reached?.network) {
        refuse('connection refused');
      } else if (!listening.caller.acceptsLinks()) refuse('it answered 503 instead of opening a link');
      else {
        theirs.open();
        listening.caller.onLink(theirs);
        theirs.carry((end) => {
          end.open();
        });
      }
    });
    return ours;
  }

  async probe(peer: Member, limit_ms: number): Promise<ProbeOutcome> {
    const unanswered = (): Error => new Error('no answer');
    try {
      return await request(
        this.#lineTo(peer.address, false),
        () => {
          const listening = this.#net.at(peer.address);
          if (listening === undefined) return 'gone';
          // A stopped process takes the connection up and never answers.
          if (listening.network.process.state !== 'running') return 'unknown';
          return listening.doors.node().incarnation === peer.incarnation ? 'alive' : 'gone';
        },
        limit_ms,
        unanswered,
      );
    } catch {
      return 'unknown';
    }
  }

  async snapshot(address: string, app: string): Promise<AsyncIterable<Uint8Array>> {
    const download = await this.#ask(address, (listening) => Download.begin(listening, app));
    return this.#pieces(address, download);
  }

  async ask(address: string, call: PeerCall): Promise<unknown> {
    const app = /^\/v1\/apps\/(.+)\/published$/.exec(call.path)?.[1];
    return this.#ask<unknown>(address, ({ doors }) => {
      if (app !== undefined) return Promise.resolve(doors.published(decodeURIComponent(app)));
      if (call.path === '/v1/pair/switchover') return doors.switchover();
      throw new Error(`nobody asks for ${call.path} in a simulation`);
    });
  }

  async *#pieces(address: string, download: Download): AsyncGenerator<Uint8Array, void, undefined> {
    let isComplete = false;
    try {
      for (;;) {
        const next = await this.#ask(address, () => download.next());
        if (next.done === true) {
          isComplete = true;
          return;
        }
        yield next.value;
      }
    } finally {
      // Whoever leaves early closes the connection.
      if (!isComplete) this.#ask(address, () => download.end()).catch(() => undefined);
    }
  }

  /** Asks whoever listens there; the work is done by its process, and breaks off with it. */
  #ask<T>(address: string, work: (listening: Listening) => Promise<T>): Promise<T> {
    const line = this.#lineTo(address, true);
    return new Promise<T>((resolve, reject) => {
      const limit = this.process.after(idleLimit_ms, () => {
        reject(new TandemError('peer-silent', `${address} sent nothing`));
      });
      const answer = (settle: () => void): void => {
        line.toClient(() => {
          limit.cancel();
          settle();
        });
      };
      line.toService(() => {
        const listening = this.#net.at(address);
        const breakOff = (): void => {
          answer(() => {
            reject(new TandemError('peer-broke-off', `${address} broke off`));
          });
        };
        if (listening === undefined) {
          breakOff();
          return;
        }
        const serving = listening.network.#serving;
        serving.add(breakOff);
        const { crossing, process } = listening.network;
        process.after(0, () => {
          crossing.cross(process, () => {
            void work(listening)
              .then(
                (result) => () => {
                  resolve(result);
                },
                (thrown: unknown) => () => {
                  // eslint-disable-next-line @typescript-eslint/prefer-promise-reject-errors -- as it came
                  reject(thrown);
                },
              )
              .then((settle) => {
                if (!serving.delete(breakOff)) return;
                crossing.cross(process, () => {
                  answer(settle);
                });
              });
          });
        });
      });
    });
  }

  #lineTo(address: string, crosses: boolean): Line {
    const ways = { there: this.#net.way(this.node), back: this.#net.way(nodeAt(address)) };
    return new Line(this.process, ways, crosses ? this.crossing : safeCrossing, this.#random);
  }

  #createEnd(): LinkEnd {
    const end = new LinkEnd(this.#endOptions());
    this.#ends.add(end);
    return end;
  }

  #endOptions() {
    return { process: this.process, crossing: this.crossing, way: this.#net.way(this.node), random: this.#random };
  }
}

/** At the end that serves it. Nothing of it is asked for before it is known to be there. */
class Download {
  readonly #pieces: Pieces;
  readonly #process: SimulatedProcess;
  /** Read ahead, so that whoever has nothing to give can say so. */
  #first: IteratorResult<Uint8Array, void> | undefined;
  #stall: Timer | undefined;

  private constructor(pieces: Pieces, process: SimulatedProcess) {
    this.#pieces = pieces;
    this.#process = process;
  }

  /** @throws what the snapshot throws before its first piece. */
  static async begin({ doors, network }: Listening, app: string): Promise<Download> {
    const pieces = doors.snapshot(app);
    if (pieces === undefined) throw new TandemError('no-such-app', `no app ${app}`);
    const download = new Download(pieces[Symbol.asyncIterator]() as Pieces, network.process);
    download.#first = await download.#pieces.next();
    download.#wait();
    return download;
  }

  async next(): Promise<IteratorResult<Uint8Array, void>> {
    this.#stall?.cancel();
    const first = this.#first;
    this.#first = undefined;
    const next = first ?? (await this.#pieces.next());
    this.#wait();
    return next;
  }

  async end(): Promise<void> {
    this.#stall?.cancel();
    await this.#pieces.return?.();
  }

  #wait(): void {
    this.#stall = this.#process.after(stallLimit_ms, () => void this.end());
  }
}

type Pieces = AsyncIterator<Uint8Array, void, undefined>;

function nodeAt(address: string): NodeId {
  return address.slice('http://'.length);
}
