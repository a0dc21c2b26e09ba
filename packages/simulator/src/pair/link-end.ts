// One end of a link between two simulated nodes: as TCP does, it holds back what a cut keeps from arriving, in order.
import type { LinkSocket, LinkSocketHandlers } from '@tandem/control';
import type { SimulatedProcess } from '../virtual-time.ts';
import { delayOf, type Crossing, type Way } from './lines.ts';
import type { Random } from './random.ts';

/** While a way is cut it is tried again this often. */
const again_ms = 20;

export interface EndOptions {
  readonly process: SimulatedProcess;
  readonly crossing: Crossing;
  /** What this end sends goes by it. */
  readonly way: Way;
  readonly random: Random;
}

export class LinkEnd implements LinkSocket {
  peer: LinkEnd | undefined;
  readonly #options: EndOptions;
  #handlers: LinkSocketHandlers | undefined;
  #isOpen = false;
  #isClosed = false;
  /** What has not been delivered yet, in order. */
  readonly #sent: (() => void)[] = [];
  #isDelivering = false;

  constructor(options: EndOptions) {
    this.#options = options;
  }

  handle(handlers: LinkSocketHandlers): void {
    this.#handlers = handlers;
  }

  send(text: string): void {
    if (!this.#isOpen) return;
    this.carry((peer) => {
      peer.#handlers?.onText(text);
    });
  }

  close(): void {
    this.terminate();
  }

  terminate(): void {
    if (this.#isClosed) return;
    this.#end('closed here');
    this.#sendEnd();
  }

  /** The process is gone: its kernel closes what it had open. */
  breakOff(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#sendEnd();
  }

  /** It carries text from now on; the client's end is told of it. */
  open(): void {
    if (this.#isClosed) return;
    this.#isOpen = true;
    this.#handlers?.onOpen();
  }

  refuse(why: string): void {
    this.#end(why);
  }

  /** Lets something happen at the other end, after a while. */
  carry(deed: (peer: LinkEnd) => void): void {
    this.#options.crossing.cross(this.#options.process, () => {
      this.#enqueue(deed);
    });
  }

  #sendEnd(): void {
    this.#enqueue((peer) => {
      peer.#end('the connection closed (1006)');
    });
  }

  #end(why: string): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#isOpen = false;
    this.#handlers?.onClose(why);
  }

  #enqueue(deed: (peer: LinkEnd) => void): void {
    this.#sent.push(() => {
      const { peer } = this;
      if (peer === undefined || peer.#isClosed) return;
      peer.#options.crossing.cross(peer.#options.process, () => {
        deed(peer);
      });
    });
    if (!this.#isDelivering) this.#deliver();
  }

  #deliver(): void {
    const { process, way, random } = this.#options;
    const { time } = process;
    this.#isDelivering = true;
    time.after(way.isCut ? again_ms : delayOf(random, way), () => {
      if (!way.isCut) {
        const deed = this.#sent.shift();
        const { peer } = this;
        if (deed !== undefined && peer !== undefined) time.after(0, deed, peer.#options.process);
      }
      if (this.#sent.length > 0) this.#deliver();
      else this.#isDelivering = false;
    });
  }
}
