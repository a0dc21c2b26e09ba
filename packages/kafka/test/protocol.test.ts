import { Reader, Writer, type Connection } from '@platformatic/kafka';
import { fetch, produce, type FetchAnswer, type ProduceAnswer, type Request } from '../src/protocol.ts';

/** What the request makes of an answer with these bytes. */
function parse<Answer>(request: Request<never[], Answer>, version: number, bytes: Writer): Answer {
  const api = request.versions.get(version) as unknown as (connection: Connection) => void;
  let answer: Answer | undefined;
  const connection = {
    send: (key: number, spoken: number, _create: unknown, parser: (...args: unknown[]) => Answer) => {
      answer = parser(0, key, spoken, Reader.from(bytes));
    },
  };
  api(connection as unknown as Connection);
  if (answer === undefined) throw new Error('not parsed');
  return answer;
}

/** Tagged fields as newer brokers add them: number, then tag, length and bytes of each. */
function tagged(writer: Writer, ...lengths: number[]): Writer {
  writer.appendUnsignedVarInt(lengths.length);
  lengths.forEach((length, tag) => {
    writer.appendUnsignedVarInt(tag).appendUnsignedVarInt(length).append(Buffer.alloc(length, 0xff));
  });
  return writer;
}

const id = '00000000-0000-0000-0000-000000000001';

describe('answers of brokers', () => {
  it('to a fetch are understood with whatever fields they add', () => {
    const records = Buffer.from('whole batches');
    const writer = Writer.create().appendInt32(7).appendInt16(0).appendInt32(0).appendUnsignedVarInt(2).appendUUID(id);
    writer.appendUnsignedVarInt(3);
    for (const partition of [4, 5]) {
      writer.appendInt32(partition).appendInt16(partition === 4 ? 0 : 6);
      writer.appendInt64(30n).appendInt64(20n).appendInt64(10n);
      tagged(writer.appendUnsignedVarInt(2).appendInt64(99n).appendInt64(15n), 3);
      writer.appendInt32(-1);
      if (partition === 4) writer.appendUnsignedVarInt(records.length + 1).append(records);
      else writer.appendUnsignedVarInt(1);
      tagged(writer, 12, 200);
    }
    tagged(writer, 1);
    tagged(writer, 40);
    const answer: FetchAnswer = parse(fetch as unknown as Request<never[], FetchAnswer>, 17, writer);
    const common = { highWatermark: 30, lastStableOffset: 20, logStartOffset: 10 };
    const aborted = [{ producerId: 99n, firstOffset: 15 }];
    expect(answer).toEqual({
      throttleTimeMs: 7,
      errorCode: 0,
      partitions: [
        { partition: 4, errorCode: 0, ...common, aborted, records },
        { partition: 5, errorCode: 6, ...common, aborted, records: Buffer.alloc(0) },
      ],
    });
  });

  it('to a produce say what became of each partition, and who leads it now', () => {
    const writer = Writer.create().appendUnsignedVarInt(2).appendString('totals').appendUnsignedVarInt(3);
    for (const [partition, error, message] of [
      [0, 0, null],
      [1, 6, 'moved'],
    ] as const) {
      writer.appendInt32(partition).appendInt16(error).appendInt64(1n).appendInt64(2n).appendInt64(3n);
      tagged(writer.appendUnsignedVarInt(2).appendInt32(0).appendString('a record'));
      tagged(writer.appendString(message), ...(error === 0 ? [] : [9]));
    }
    tagged(writer).appendInt32(250);
    tagged(writer, 60);
    const answer: ProduceAnswer = parse(produce as unknown as Request<never[], ProduceAnswer>, 11, writer);
    expect(answer).toEqual({
      throttleTimeMs: 250,
      partitions: [
        { topic: 'totals', partition: 0, errorCode: 0, errorMessage: null },
        { topic: 'totals', partition: 1, errorCode: 6, errorMessage: 'moved' },
      ],
    });
  });
});
