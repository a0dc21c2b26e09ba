// Java programs of one file.
import path from 'node:path';
import { describeWithStack, runJava } from '@tandem/stack';

jest.setTimeout(120_000);

function source(name: string): string {
  return path.join(__dirname, 'java', `${name}.java`);
}

describeWithStack(
  'a Java program',
  () => {
    it('gets its arguments and its input, and answers with both streams and its exit code', async () => {
      const result = await runJava({ source: source('Echo') }, ['hello'], 'world ');
      expect(result.exitCode).toBe(3);
      expect(result.stdout).toBe('hello world ');
      expect(result.output).toContain('and so on');
    });

    it('that does not compile says where', async () => {
      await expect(runJava({ source: source('Broken') })).rejects.toMatchObject({
        code: 'stack-java-program',
        message: expect.stringMatching(/Broken\.java:3: error: incompatible types/) as string,
      });
    });
  },
  ['kafka-4.1'],
);
