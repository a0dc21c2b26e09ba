import { asEpoch, asPosition } from '@tandem/pair';
import { idempotencyKey } from '@tandem/http';
import { headerText, outputHeaders } from '../src/headers.ts';

const id = { pair: 'shop', app: 'alerts', sink: 'mail', task: 'orders/3', position: asPosition(42), ordinal: 0 };

describe('the key of an output', () => {
  it('names pair, app, sink, task, position of the input and number among its outputs there', () => {
    expect(idempotencyKey(id)).toBe('shop:alerts:mail:orders/3:42:0');
  });

  it('is never that of another output, whatever the names hold', () => {
    const tricky = [
      { ...id, app: 'a:b', sink: 'c' },
      { ...id, app: 'a', sink: 'b:c' },
      { ...id, app: 'a%3Ab', sink: 'c' },
    ];
    const keys = tricky.map(idempotencyKey);
    expect(new Set(keys).size).toBe(keys.length);
    for (const key of keys) expect(key).toMatch(/^[\x21-\x7e]+$/);
  });
});

describe('headers', () => {
  const described = { id, epoch: asEpoch(7), timestamp_ms: 1_700_000_000_123, key: null, isTombstone: false };

  it('say where an output comes from', () => {
    expect(outputHeaders({ ...described, headers: undefined })).toEqual([
      ...['Idempotency-Key', 'shop:alerts:mail:orders/3:42:0'],
      ...['Tandem-Pair', 'shop', 'Tandem-App', 'alerts', 'Tandem-Epoch', '7', 'Tandem-Timestamp', '1700000000123'],
    ]);
  });

  it('carry any key, and tell none from an empty one', () => {
    const withKey = (key: string | null) =>
      outputHeaders({ ...described, key: key === null ? null : Buffer.from(key), headers: undefined }).slice(10);
    expect(withKey(null)).toEqual([]);
    expect(withKey('')).toEqual(['Tandem-Key', '']);
    expect(withKey('customer-7')).toEqual(['Tandem-Key', 'customer-7']);
    expect(withKey('Ünï 100%\r\nX: y')).toEqual(['Tandem-Key', '%C3%9Cn%C3%AF%20100%25%0D%0AX:%20y']);
    expect(headerText(Uint8Array.of(0, 0x7f, 0xff))).toBe('%00%7F%FF');
  });

  it("carry the record's own headers under a prefix, repeated ones too, and none breaks out", () => {
    const headers = ['trace', 'a', 'trace', 'b', 'x y(ü)', 'line\nbreak'];
    expect(outputHeaders({ ...described, isTombstone: true, headers }).slice(10)).toEqual([
      ...['Tandem-Tombstone', 'true', 'Tandem-Record-trace', 'a', 'Tandem-Record-trace', 'b'],
      ...['Tandem-Record-x%20y%28%C3%BC%29', 'line%0Abreak'],
    ]);
  });
});
