// Waits for a condition with a deadline, instead of sleeping.

export async function until(condition: () => boolean, limit_ms = 5_000): Promise<void> {
  const deadline_ms = performance.now() + limit_ms;
  while (!condition()) {
    if (performance.now() > deadline_ms) throw new Error(`waited ${limit_ms} ms in vain for ${condition.toString()}`);
    await new Promise((resolve) => setImmediate(resolve));
  }
}
