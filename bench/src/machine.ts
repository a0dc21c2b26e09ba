// What the numbers were taken on.
import os from 'node:os';

export function describeMachine(systems: string): string {
  const cpus = os.cpus();
  const memory_gib = Math.round(os.totalmem() / 1024 ** 3);
  return (
    `${cpus.length.toString()} cores ${cpus[0]?.model.trim() ?? 'of an unknown kind'}, ${memory_gib.toString()} GiB, ` +
    `${os.type()} ${os.release()}, Node ${process.version}, ${systems}`
  );
}
