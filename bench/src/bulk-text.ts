// About a kilobyte of text that does not compress to nothing.
import type { Generator } from '@tandem/harness';

export const bulk_bytes = 1000;

export function bulkText(generator: Generator): string {
  let text = '';
  while (text.length < bulk_bytes) text += generator.next().toString(16).padStart(8, '0');
  return text;
}
