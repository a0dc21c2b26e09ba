import { httpSinkSchema, httpSystemSchema } from '@tandem/http';

const url = 'https://hooks.example.com/in';

/** A key that is wrong has its reasons inside, as the command's errors show them. */
function problem(binding: unknown): string {
  const issues = httpSinkSchema.safeParse(binding).error?.issues ?? [];
  return issues
    .flatMap((issue) => (issue.code === 'invalid_key' ? issue.issues : [issue]))
    .map(({ path, message }) => `${path.join('.')}: ${message}`)
    .join('\n');
}

it('a URL is all that a sink needs', () => {
  expect(httpSinkSchema.parse({ url })).toEqual({
    url,
    method: 'POST',
    contentType: 'application/json',
    headers: {},
    timeout: { connect: 5000, answer: 30_000 },
    retry: { first: 200, most: 30_000 },
    maxInFlight: 8,
  });
});

it('where positions are kept is needed', () => {
  expect(httpSystemSchema.safeParse({}).success).toBe(false);
  expect(httpSystemSchema.parse({ positions: { postgres: { url: 'postgres://db/shop' } } })).toEqual({
    positions: { postgres: { url: 'postgres://db/shop', schema: 'tandem' } },
  });
});

it.each([
  ['ftp://host/', /url: must be a URL like/],
  ['not a url', /url: must be a URL like/],
])('the URL "%s" is refused', (wrong, message) => {
  expect(problem({ url: wrong })).toMatch(message);
});

it.each(['Idempotency-Key', 'tandem-epoch', 'Content-Length', 'Transfer-Encoding', 'Host', 'Content-Type'])(
  'the header %s is ours to set',
  (name) => {
    expect(problem({ url, headers: { [name]: 'x' } })).toMatch(/Tandem sets/);
  },
);

it('headers cannot smuggle in others', () => {
  expect(problem({ url, headers: { 'X-A': 'b\r\nX-C: d' } })).toMatch(/without line breaks/);
  expect(problem({ url, headers: { 'X A': 'b' } })).toMatch(/no name of a header/);
  expect(problem({ url, headers: { 'X-A': 'sécret' } })).toMatch(/visible ASCII/);
});

it('no message repeats a value, which may be secret', () => {
  expect(
    problem({ url: 'nothing-like-open-sesame', headers: { Authorization: 'Bearer open-sesame\n' } }),
  ).not.toContain('open-sesame');
});
