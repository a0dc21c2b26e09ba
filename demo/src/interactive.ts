// The demo at a terminal: shows the pair at work and lets a person break it.
import { until } from '@tandem/harness';
import { failoverLine, render } from './screen.ts';
import type { Stage } from './stage.ts';
import { gatherNodes, type DemoView } from './view.ts';

const draw_ms = 250;
const line_ms = 5000;

interface Failover {
  readonly at: Date;
  readonly at_ms: number;
  text: string;
  gap_ms: number | undefined;
}

export class Interactive {
  readonly #stage: Stage;
  readonly #stop: AbortController;
  readonly #isScreen = process.stdout.isTTY;
  readonly #failovers: Failover[] = [];
  #message: string;
  #lastActive: string | undefined;
  #saidAt_ms = -Infinity;
  #rate = { at_ms: performance.now(), arrived: 0, per_s: 0 };
  #busy = false;

  constructor(stage: Stage, stop: AbortController) {
    this.#stage = stage;
    this.#stop = stop;
    this.#message =
      stage.continuedFrom > 0
        ? `continuing at ${stage.continuedFrom.toString()} from an earlier run (npm run demo -- --reset begins anew)`
        : 'a fresh start';
  }

  /** Until somebody quits or something breaks that a node cannot mend. */
  async run(): Promise<void> {
    const { signal } = this.#stop;
    if (!this.#isScreen) this.#say(this.#message);
    const keys = this.#listen();
    this.#enter();
    try {
      while (!signal.aborted) {
        await this.#turn();
        await until({ limit_ms: draw_ms, signal }, () => undefined);
      }
    } finally {
      this.#leave();
      keys.stop();
    }
    if (this.#stage.failure !== undefined) throw this.#stage.failure;
  }

  async #turn(): Promise<void> {
    const { failure } = this.#stage;
    if (failure !== undefined) {
      this.#stop.abort();
      return;
    }
    this.#measure();
    const nodes = await gatherNodes(this.#stage);
    const active = nodes.nodes.find((node) => node.role === 'active');
    this.#noteActive(active?.id);
    const view: DemoView = {
      ...nodes,
      counter: this.#stage.counter,
      rate_per_s: this.#rate.per_s,
      sent: this.#stage.sent,
      continuedFrom: this.#stage.continuedFrom,
      failovers: this.#failovers,
      message: this.#message,
      systems: this.#stage.systems.described,
    };
    if (this.#isScreen) this.#draw(view);
    else this.#sayNow(view);
  }

  /** A change of the active that nobody asked for is a failover too. */
  #noteActive(active: string | undefined): void {
    if (active === undefined || active === this.#lastActive) return;
    const open = this.#failovers.at(-1);
    if (open !== undefined && !open.text.includes('->')) open.text += ` -> ${active} active`;
    else if (this.#lastActive !== undefined) this.#note(`${this.#lastActive} -> ${active} active`);
    this.#lastActive = active;
  }

  #note(text: string): void {
    this.#failovers.push({ at: new Date(), at_ms: performance.now(), text, gap_ms: undefined });
  }

  /** The rate, and the gap of the last fault: final once a second has passed with outputs and a new active. */
  #measure(): void {
    const now_ms = performance.now();
    const { arrived, clock } = this.#stage;
    const passed_s = (now_ms - this.#rate.at_ms) / 1000;
    if (passed_s >= 1) {
      this.#rate = { at_ms: now_ms, arrived, per_s: Math.round((arrived - this.#rate.arrived) / passed_s) };
    }
    const last = this.#failovers.at(-1);
    if (last === undefined || !last.text.includes('->')) return;
    const gap_ms = clock.longestGap_ms(last.at_ms, Math.min(now_ms, last.at_ms + 10_000));
    if (gap_ms === undefined || gap_ms === last.gap_ms || now_ms > last.at_ms + 10_000) return;
    const isFirst = last.gap_ms === undefined;
    last.gap_ms = gap_ms;
    if (isFirst && !this.#isScreen) this.#say(failoverLine(last));
  }

  #press(key: string): void {
    if (key === 'q' || key === '\x03' || key === '\x04') {
      this.#stop.abort();
      return;
    }
    const action = {
      k: () => this.#kill(),
      f: () => this.#freeze(),
      s: () => this.#switchOver(),
      r: () => this.#restart(),
    }[key];
    if (action === undefined) return;
    if (this.#busy) {
      this.#tell('one thing at a time');
      return;
    }
    this.#busy = true;
    action()
      .catch((thrown: unknown) => {
        this.#tell(thrown instanceof Error ? thrown.message : String(thrown));
      })
      .finally(() => {
        this.#busy = false;
      });
  }

  async #kill(): Promise<void> {
    const { pair } = this.#stage;
    const target = await this.#target();
    if (target === undefined) return;
    this.#note(`${target} killed`);
    pair.signal(target, 'SIGKILL');
    await pair.process(target)?.exited;
    this.#tell(`killed ${target}; r starts it again`);
  }

  async #freeze(): Promise<void> {
    const { pair } = this.#stage;
    const frozen = pair.ids.find((id) => pair.process(id)?.frozen === true);
    if (frozen !== undefined) {
      pair.signal(frozen, 'SIGCONT');
      this.#tell(`thawed ${frozen}`);
      return;
    }
    const target = await this.#target();
    if (target === undefined) return;
    this.#note(`${target} frozen`);
    pair.signal(target, 'SIGSTOP');
    this.#tell(`froze ${target}; f thaws it`);
  }

  async #switchOver(): Promise<void> {
    const target = await this.#target();
    if (target === undefined) return;
    this.#note(`${target} hands over`);
    const failover = this.#failovers.at(-1);
    try {
      const { detail } = await this.#stage.pair.post<{ detail: string }>(target, '/v1/pair/switchover');
      this.#tell(detail);
    } catch (thrown) {
      if (failover !== undefined) this.#failovers.splice(this.#failovers.indexOf(failover), 1);
      throw thrown;
    }
  }

  #restart(): Promise<void> {
    const { pair } = this.#stage;
    const dead = pair.ids.filter((id) => pair.process(id)?.ended !== undefined);
    for (const id of dead) pair.start(id);
    this.#tell(dead.length === 0 ? 'no node is dead' : `starting ${dead.join(' and ')}`);
    return Promise.resolve();
  }

  async #target(): Promise<string | undefined> {
    const active = await this.#stage.pair.active();
    if (active === undefined) this.#tell('no node is active at the moment');
    return active;
  }

  #tell(message: string): void {
    this.#message = message;
    if (!this.#isScreen) this.#say(message);
  }

  #say(line: string): void {
    process.stdout.write(`${line}\n`);
  }

  #sayNow(view: DemoView): void {
    const now_ms = performance.now();
    if (now_ms - this.#saidAt_ms < line_ms) return;
    this.#saidAt_ms = now_ms;
    const roles = view.nodes.map(
      (node) => `${node.id} ${node.frozen ? 'frozen' : node.alive ? (node.role ?? 'starting') : 'dead'}`,
    );
    this.#say(`${roles.join(', ')}; counter ${(view.counter + 1).toString()}, ${view.rate_per_s.toString()} outputs/s`);
  }

  #draw(view: DemoView): void {
    const { columns, rows } = process.stdout;
    const lines = render(view, columns || 80, rows || 24);
    // Each line is cleared to its end, and what is below too: no flicker, no leftovers.
    process.stdout.write(`\x1b[H${lines.map((line) => `${line}\x1b[K`).join('\r\n')}\x1b[J`);
  }

  #enter(): void {
    // Another screen, no cursor.
    if (this.#isScreen) process.stdout.write('\x1b[?1049h\x1b[?25l\x1b[2J');
  }

  #leave(): void {
    if (this.#isScreen) process.stdout.write('\x1b[?25h\x1b[?1049l');
  }

  #listen(): { stop(): void } {
    const { stdin } = process;
    const onData = (text: Buffer) => {
      for (const key of text.toString()) this.#press(key);
    };
    const onError = () => undefined;
    if (stdin.isTTY) stdin.setRawMode(true);
    stdin.on('data', onData);
    // A terminal that is gone reads as an error; SIGHUP says so as well.
    stdin.on('error', onError);
    return {
      stop: () => {
        stdin.off('data', onData);
        if (stdin.isTTY) stdin.setRawMode(false);
        stdin.pause();
        stdin.unref();
      },
    };
  }
}
