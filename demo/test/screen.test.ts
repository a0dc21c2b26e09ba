import { clip, render } from '../src/screen.ts';
import type { DemoView } from '../src/view.ts';

const view: DemoView = {
  nodes: ['a', 'b'].map((id, index) => ({
    id,
    pid: 1234567 + index,
    alive: true,
    frozen: false,
    role: index === 0 ? 'active' : 'passive',
    epoch: 12,
    address: 'http://127.0.0.1:7070',
    conditions: 'counter in-sync, orders in-sync',
  })),
  counter: 123_456_788,
  rate_per_s: 1000,
  sent: 987_654,
  continuedFrom: 0,
  queues: ['counter counts', 'orders totals', 'orders perMinute', 'orders deadLetter'].map((name) => ({
    name,
    depth: { a: 1234, b: undefined },
  })),
  failovers: Array.from({ length: 30 }, (_, index) => ({
    at: new Date(2026, 0, 1, 12, index),
    text: 'a killed -> b active',
    gap_ms: index === 29 ? undefined : 12.3,
  })),
  message: 'a fresh start',
  systems: 'PostgreSQL 18.4',
};

function plain(lines: readonly string[]): string[] {
  return lines.map((line) => line.replaceAll(/\x1b\[[0-9;]*m/g, ''));
}

it('fits 80 columns and 24 rows and says what matters', () => {
  const lines = plain(render(view, 80, 24));
  expect(lines.length).toBeLessThanOrEqual(24);
  for (const line of lines) expect(line.length).toBeLessThanOrEqual(80);
  const text = lines.join('\n');
  expect(text).toContain('123,456,789');
  expect(text).toMatch(/a +active +12/);
  expect(text).toContain('q quit');
  expect(text).toContain('outputs are away');
});

it('shows the newest failover first', () => {
  const times = plain(render(view, 80, 24)).filter((line) => line.includes('killed'));
  expect(times[0]).toContain('12:29');
  expect(times[1]).toContain('12 ms');
});

it.each([
  [40, 24],
  [80, 10],
  [1, 1],
])('stays within %i columns and %i rows', (columns, rows) => {
  const lines = plain(render(view, columns, rows));
  expect(lines.length).toBeLessThanOrEqual(rows);
  for (const line of lines) expect(line.length).toBeLessThanOrEqual(columns);
});

it('cuts text but never an escape sequence', () => {
  expect(clip('\x1b[1mbold\x1b[22m and more', 6)).toBe('\x1b[1mbold\x1b[22m a');
});
