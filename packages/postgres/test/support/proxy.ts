// A link to the database that can be harmed.
import { TcpProxy } from '@tandem/harness';

export class Proxy extends TcpProxy {
  readonly #target: string;

  private constructor(target: URL) {
    super(target.hostname, Number(target.port));
    this.#target = target.href;
  }

  static async open(target: string): Promise<Proxy> {
    const proxy = new Proxy(new URL(target));
    await proxy.listen();
    return proxy;
  }

  /** The database's URL by way of this proxy. */
  get url(): string {
    const url = new URL(this.#target);
    url.host = `127.0.0.1:${String(this.port)}`;
    return url.href;
  }
}
