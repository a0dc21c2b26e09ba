import { retryAfter_ms, verdictOf } from '../src/verdict.ts';

const now_ms = Date.parse('2026-01-31T12:00:00Z');

function answered(status: number, more: { retryAfter?: string; location?: string } = {}) {
  const answer = { type: 'answered' as const, status, retryAfter: undefined, location: undefined, ...more };
  return verdictOf(answer, now_ms);
}

describe('what an answer means', () => {
  it.each([200, 201, 202, 204, 299])('%d: taken', (status) => {
    expect(answered(status)).toEqual({ verdict: 'accepted' });
  });

  it.each([408, 429, 500, 502, 503, 504, 599])('%d: again', (status) => {
    expect(answered(status)).toMatchObject({ verdict: 'again', why: `answered ${String(status)}`, atLeast_ms: 0 });
  });

  it.each([400, 401, 403, 404, 409, 410, 413, 422, 425, 451])('%d: refused for good', (status) => {
    expect(answered(status)).toEqual({ verdict: 'refused', status, why: `answered ${String(status)}` });
  });

  it('a redirect is not followed; where it leads is told without its path', () => {
    expect(answered(302, { location: 'https://other.example/secret?token=1' })).toMatchObject({
      verdict: 'refused',
      why: 'answered 302 with a redirect to https://other.example; redirects are not followed',
    });
    expect(answered(308, { location: '/elsewhere' })).toMatchObject({
      why: 'answered 308 with a redirect to another path; redirects are not followed',
    });
  });

  it('no answer: again, and at once where an idle connection turned out to be closed', () => {
    const cause = Object.assign(new Error(''), { code: 'ECONNREFUSED' });
    const failed = { type: 'failed' as const, cause, wasIdle: true };
    expect(verdictOf(failed, now_ms)).toEqual({
      verdict: 'again',
      why: 'ECONNREFUSED',
      atLeast_ms: 0,
      isFree: true,
    });
  });
});

describe('Retry-After', () => {
  it.each([
    ['3', 3000],
    [' 0 ', 0],
    ['Sat, 31 Jan 2026 12:00:10 GMT', 10_000],
    ['Sat, 31 Jan 2026 11:00:00 GMT', 0],
    ['86400', 300_000],
    ['soon', 0],
    ['-5', 0],
  ])('"%s" asks for %d ms', (text, expected_ms) => {
    expect(retryAfter_ms(text, now_ms)).toBe(expected_ms);
  });
});
