import { asEpoch } from '@tandem/pair';
import type { VerifyOutcome } from '@tandem/ports';
import { Authority } from '../src/authority.ts';

interface Question {
  readonly epoch: number;
  readonly sentAt_ms: number;
  answer(outcome: VerifyOutcome): Promise<void>;
}

/** A clock that is set by hand, a coordinator that answers when the test says so, and what was told. */
class Stage {
  now_ms = 10_000;
  readonly questions: Question[] = [];
  readonly told: number[] = [];
  superseded = 0;
  readonly authority: Authority;
  #timers: { readonly at_ms: number; readonly callback: () => void }[] = [];

  constructor() {
    this.authority = new Authority({
      clock: {
        now_ms: () => this.now_ms,
        wall_ms: () => this.now_ms,
        after: (delay_ms, callback) => {
          const timer = { at_ms: this.now_ms + delay_ms, callback };
          this.#timers.push(timer);
          return {
            cancel: () => {
              this.#timers = this.#timers.filter((other) => other !== timer);
            },
          };
        },
      },
      coordinator: {
        sessionTimeout_ms: 1200,
        verify: (epoch) =>
          new Promise((resolve, reject) => {
            const answer = async (outcome: VerifyOutcome): Promise<void> => {
              if (outcome === 'unanswered') reject(new Error('it was too long'));
              else resolve(outcome);
              await new Promise(setImmediate);
            };
            this.questions.push({ epoch, sentAt_ms: this.now_ms, answer });
          }),
      },
      tell: (until_ms) => this.told.push(until_ms),
      onSuperseded: () => this.superseded++,
    });
  }

  get last(): Question {
    const question = this.questions.at(-1);
    if (question === undefined) throw new Error('nothing was asked');
    return question;
  }

  passes(duration_ms: number): void {
    this.now_ms += duration_ms;
    const due = this.#timers.filter(({ at_ms }) => at_ms <= this.now_ms);
    this.#timers = this.#timers.filter(({ at_ms }) => at_ms > this.now_ms);
    for (const { callback } of due) callback();
  }
}

const epoch = asEpoch(5);

describe('authority at sinks without a fence (S11)', () => {
  it('counts two thirds of the session time-out from when the question was sent, not from the answer', async () => {
    const stage = new Stage();
    stage.authority.keep(epoch);
    const { sentAt_ms } = stage.last;
    stage.passes(250);
    await stage.last.answer('current');
    expect(stage.told).toEqual([sentAt_ms + 800]);
  });

  it('is renewed every quarter of the session time-out', async () => {
    const stage = new Stage();
    stage.authority.keep(epoch);
    for (let round = 1; round <= 4; round++) {
      stage.passes(100);
      await stage.last.answer('current');
      expect(stage.questions).toHaveLength(round);
      stage.passes(199);
      expect(stage.questions).toHaveLength(round);
      stage.passes(1);
    }
    expect(stage.told).toEqual([10_800, 11_100, 11_400, 11_700]);
  });

  it('is not renewed without an answer, and is asked for again all the same', async () => {
    const stage = new Stage();
    stage.authority.keep(epoch);
    stage.passes(1200);
    await stage.last.answer('unanswered');
    stage.passes(0);
    expect(stage.questions).toHaveLength(2);
    expect(stage.told).toEqual([]);
    await stage.last.answer('current');
    expect(stage.told).toEqual([12_000]);
  });

  it("is not renewed when the epoch is somebody else's, and the view is read", async () => {
    const stage = new Stage();
    stage.authority.keep(epoch);
    await stage.last.answer('superseded');
    expect(stage.told).toEqual([]);
    expect(stage.superseded).toBe(1);
  });

  it('is not renewed by an answer that comes when the epoch has been left', async () => {
    const stage = new Stage();
    stage.authority.keep(epoch);
    const late = stage.last;
    stage.authority.keep(undefined);
    await late.answer('current');
    stage.passes(5000);
    expect(stage.questions).toHaveLength(1);
    expect(stage.told).toEqual([]);
  });

  it('is asked for at once in a new epoch, and an answer for the one before is not taken for it', async () => {
    const stage = new Stage();
    stage.authority.keep(epoch);
    const late = stage.last;
    stage.passes(50);
    stage.authority.keep(asEpoch(7));
    await late.answer('current');
    expect(stage.told).toEqual([]);
    expect(stage.last.epoch).toBe(7);
    await stage.last.answer('current');
    expect(stage.told).toEqual([10_850]);
  });

  it('is asked for once, however often it is said that it is needed', () => {
    const stage = new Stage();
    for (let times = 0; times < 3; times++) stage.authority.keep(epoch);
    expect(stage.questions).toHaveLength(1);
  });
});
