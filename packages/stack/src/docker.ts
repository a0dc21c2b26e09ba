// The stack in containers, by Docker Compose, where a Docker engine answers.
import { lastLines, stackError } from './error.ts';
import { composeFile } from './place.ts';
import { run } from './program.ts';

const askLimit_ms = 10_000;
/** Images may have to be pulled. */
const upLimit_ms = 20 * 60_000;
const downLimit_ms = 2 * 60_000;

/** Undefined when Compose can be used, else why not. */
export async function whyNoDocker(): Promise<string | undefined> {
  const engine = await run('docker', ['info', '--format', '{{.ServerVersion}}'], { limit_ms: askLimit_ms });
  // Without an engine some versions end with 0 and print nothing.
  if (engine.failure !== undefined || engine.stdout.trim() === '') return 'no Docker engine answers';
  const compose = await run('docker', ['compose', 'version'], { limit_ms: askLimit_ms });
  return compose.failure === undefined ? undefined : 'Docker has no Compose plugin';
}

/** Starts these services and waits until their containers run. `env`: the ports. @throws TandemError `stack-docker` */
export async function composeUp(services: readonly string[], env: Readonly<Record<string, string>>): Promise<void> {
  await compose(['up', '--detach', '--wait', ...services], upLimit_ms, env);
}

/** Data stays in its volumes. @throws TandemError `stack-docker` */
export async function composeDown(): Promise<void> {
  await compose(['down'], downLimit_ms);
}

async function compose(args: readonly string[], limit_ms: number, env: Readonly<Record<string, string>> = {}) {
  const done = await run('docker', ['compose', '--file', composeFile, ...args], { limit_ms, env });
  if (done.failure === undefined) return;
  throw stackError(
    'stack-docker',
    `docker compose ${args[0] ?? ''} failed (${done.failure}): ${lastLines(done.output, 2)}. ` +
      'See "docker compose --file docker/compose.yaml logs", or go without: npm run stack -- up --no-docker',
  );
}
