// What Date, Math.random and performance.now are inside app code: the parts that would make two nodes differ throw.
// The bundler puts these names in the place of the globals, in the app's own code and its packages only.

function refuse(what: string, instead: string): never {
  throw new Error(`${what} gives each node another answer, so apps cannot use it: use ${instead} instead`);
}

const refuseNow = (): never => refuse('the clock (Date.now(), new Date())', 'ctx.now');

/** As Date, but only for given times. */
export const guardedDate: DateConstructor = new Proxy(Date, {
  apply: refuseNow,
  construct(target, given: unknown[], newTarget) {
    if (given.length === 0) refuseNow();
    return Reflect.construct(target, given, newTarget) as Date;
  },
  get(target, name) {
    return name === 'now' ? refuseNow : (Reflect.get(target, name) as unknown);
  },
});

export const guardedRandom = (): never => refuse('Math.random()', 'ctx.random()');

export const guardedPerformanceNow = (): never => refuse('performance.now()', 'ctx.now');

export const guardedRandomUUID = (): never => refuse('crypto.randomUUID()', 'ctx.random()');
