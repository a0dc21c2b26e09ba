import { compare } from '@tandem/harness';

function due(...texts: string[]) {
  return texts.map((text, rank) => ({ text, rank }));
}

describe('the comparison', () => {
  it('has nothing to say against what is due, in its order', () => {
    expect(compare(due('a', 'b', 'c'), ['a', 'b', 'c'])).toEqual({ lost: 0, duplicated: 0, reordered: 0 });
  });

  it('counts what is missing', () => {
    expect(compare(due('a', 'b', 'c'), ['a', 'c'])).toEqual({ lost: 1, duplicated: 0, reordered: 0 });
  });

  it('counts what comes again', () => {
    expect(compare(due('a', 'b'), ['a', 'b', 'a'])).toEqual({ lost: 0, duplicated: 1, reordered: 0 });
  });

  it('counts what comes late', () => {
    expect(compare(due('a', 'b', 'c'), ['b', 'a', 'c'])).toEqual({ lost: 0, duplicated: 0, reordered: 1 });
  });

  it('counts what says something wrong as lost and not due', () => {
    expect(compare(due('a', 'b'), ['a', 'x'])).toEqual({ lost: 1, duplicated: 1, reordered: 0 });
  });

  it('does not mind the order of equals', () => {
    const minute = [
      { text: 'a', rank: 1 },
      { text: 'b', rank: 1 },
    ];
    expect(compare(minute, ['b', 'a'])).toEqual({ lost: 0, duplicated: 0, reordered: 0 });
  });
});
