// Which failures of an app are worth another start.
import { mayRestartCure } from '../src/app-cure.ts';

const never = (): boolean => false;
const always = (): boolean => true;

it('starts again what may have passed, whoever else there is', () => {
  for (const code of ['internal', 'source', 'sink', 'app-load', 'snapshot', 'published-position-behind'] as const) {
    expect([code, mayRestartCure({ code, blame: 'failure' }, never)]).toEqual([code, true]);
  }
  expect(mayRestartCure({ code: 'app-threw', blame: 'user' }, never)).toBe(true);
});

it('leaves failed at once what would come to the same end', () => {
  for (const code of ['invalid-record', 'app-load', 'snapshot', 'published-position-lost'] as const) {
    expect([code, mayRestartCure({ code, blame: 'user' }, always)]).toEqual([code, false]);
  }
  expect(mayRestartCure({ code: 'published-position-lost', blame: 'failure' }, always)).toBe(false);
});

it('starts again after a gap in the input only where another node may come by newer state', () => {
  expect(mayRestartCure({ code: 'input-gap', blame: 'user' }, always)).toBe(true);
  expect(mayRestartCure({ code: 'input-gap', blame: 'user' }, never)).toBe(false);
});
