// What a view that was read after a claim without an answer says of it.
import { asEpoch, type Member, type View } from '@tandem/pair';
import { settleClaim } from '@tandem/ports';

const self: Member = { node: 'a', incarnation: 'a-1', address: 'http://a' };
const other: Member = { node: 'b', incarnation: 'b-1', address: 'http://b' };

function view(epoch: number, active: Member | undefined): View {
  return { epoch: asEpoch(epoch), active, members: [self, other] };
}

it('is won where the next epoch is ours', () => {
  expect(settleClaim(view(6, self), asEpoch(5), self)).toEqual({ outcome: 'won', epoch: 6 });
  expect(settleClaim(view(1, self), undefined, self)).toEqual({ outcome: 'won', epoch: 1 });
});

it.each([
  ['somebody else has the next epoch', view(6, other)],
  ['the next epoch is ours no more', view(6, undefined)],
  ['ours has been followed by another', view(7, self)],
])('is lost where %s', (_what, seen) => {
  expect(settleClaim(seen, asEpoch(5), self)).toEqual({ outcome: 'lost', view: seen });
});

it('is open, and tried again, where the expected epoch still stands', () => {
  expect(() => settleClaim(view(5, other), asEpoch(5), self)).toThrow('neither the expected epoch nor another one');
});
