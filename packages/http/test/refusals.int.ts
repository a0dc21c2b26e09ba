// Outputs that a receiver refuses for good, and the end of an opening.
import { outputBatch } from '@tandem/ports/contract';
import { Client } from 'pg';
import { until } from '@tandem/ports/contract';
import { open, publishAll, publishUntil, step } from './support/publishing.ts';
import { answer, silence } from './support/server.ts';
import { numbers, stageOfThisFile, stored } from './support/stage.ts';

jest.setTimeout(30_000);

const stage = stageOfThisFile();

describe('a refusal for good', () => {
  it('ends the app with the reason, after what came before it has been stored, and before what comes after', async () => {
    const publisher = await stage.opened();
    stage.receiver.next.push(answer(200), answer(200), answer(422, {}, 'Bearer secret'));
    const { outcome } = await publishUntil(publisher, step(0, 5), 'fatal');
    const message = outcome.outcome === 'fatal' ? outcome.cause.message : '';
    expect(message).toContain(`sink 'alerts' (${stage.receiver.url}) answered 422 to the output of input 2 of in/0`);
    expect(message).toContain(':alerts:in/0:2:0');
    expect(message).not.toMatch(/secret|hook/);
    expect(stage.receiver.bodies()).toEqual(numbers(0, 3));
    expect(await stored(publisher)).toMatchObject({ 'in/0': 2 });
  });

  it('is what a redirect is, and it is not followed', async () => {
    const publisher = await stage.opened();
    stage.receiver.next.push(answer(307, { Location: `${stage.receiver.url}/elsewhere` }));
    expect((await publishUntil(publisher, step(0, 1), 'fatal')).outcome).toMatchObject({
      cause: { message: expect.stringMatching(/redirects are not followed/) as string },
    });
    expect(stage.receiver.arrived).toHaveLength(1);
  });

  describe('with a log for dead letters', () => {
    const deadLetter = { log: 'refused', create: { partitions: 2 } };

    const withLetters = () =>
      stage.opened({ alerts: { url: stage.receiver.url, deadLetter: { ...deadLetter, log: `refused-${stage.app}` } } });

    async function letters(): Promise<Record<string, unknown>[]> {
      const client = new Client({ connectionString: stage.url });
      await client.connect();
      try {
        const found = await client.query<{ key: Buffer; value: Buffer; headers: string[] }>(
          `SELECT key, value, headers FROM tandem."log_refused-${stage.app}" ORDER BY partition, "offset"`,
        );
        return found.rows.map(({ key, value, headers }) => ({ key: String(key), value: String(value), headers }));
      } finally {
        await client.end();
      }
    }

    it('goes there once, with the reason, and the outputs after it go on', async () => {
      const publisher = await withLetters();
      stage.receiver.usual = (response, { body }) => response.writeHead(body === 'in/0 2' ? 410 : 200).end();
      await publishAll(publisher, step(0, 5));
      expect(stage.receiver.bodies()).toEqual(numbers(0, 5));
      expect(await stored(publisher)).toMatchObject({ 'in/0': 5 });
      expect(await letters()).toEqual([
        {
          key: 'k',
          value: 'in/0 2',
          headers: [
            ...['tandem-sink', 'alerts', 'tandem-status', '410'],
            ...['tandem-idempotency-key', `p:${stage.app}:alerts:in/0:2:0`],
          ],
        },
      ]);
    });

    it('is there as soon as its position is passed, and not before', async () => {
      const publisher = await withLetters();
      const outputs = [0, 0].map((position) => ({ sink: 0, partition: 0, position, key: 'k', value: 'x' }));
      stage.receiver.next.push(answer(400));
      stage.receiver.usual = answer(500);
      const batch = outputBatch([['in/0', 0, 1]], outputs);
      await publishUntil(publisher, batch, 'retryable');
      expect(await letters()).toEqual([]);
      stage.receiver.usual = answer(200);
      await publishAll(publisher, batch);
      expect(await letters()).toHaveLength(1);
      // It is not asked again whether it wants it.
      expect(stage.receiver.arrived.filter(({ key }) => key.endsWith(':0:0'))).toHaveLength(1);
    });
  });
});

describe('closing', () => {
  it('ends what is under way, and keeps the positions of what was taken', async () => {
    const publisher = await stage.opened();
    stage.receiver.next.push(answer(200), answer(200));
    stage.receiver.usual = silence;
    const publishing = publishUntil(publisher, step(0, 5), 'fenced');
    await until(() => stage.receiver.arrived.length === 3);
    await publisher.close();
    await publishing;
    await until(() => stage.receiver.aborted === 1);
    const next = await stage.create();
    expect(Object.fromEntries(await open(next, 1))).toMatchObject({ 'in/0': 2 });
  });

  it('of an opening by the next one ends what is under way, too', async () => {
    const publisher = await stage.opened();
    stage.receiver.usual = silence;
    expect(await publisher.publish(step(0, 5))).toMatchObject({ outcome: 'published', part: { outputs: 0 } });
    await until(() => stage.receiver.arrived.length === 1);
    await publisher.prepare();
    await until(() => stage.receiver.aborted === 1);
    expect(await publisher.publish(step(0, 5))).toMatchObject({ outcome: 'fenced' });
  });
});
