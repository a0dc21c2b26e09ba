// Turns places in an app's bundle into those of the app's own files. The source map is read only when something went
// wrong: a worker that had it loaded all the time (--enable-source-maps) held tens of megabytes for it, which the
// kernel has to free before the sockets of a killed node close.
import { readFileSync } from 'node:fs';
import { SourceMap, type SourceMapPayload } from 'node:module';
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import type { AppBundle } from './description.ts';

/** Where a bundle's source map is. */
export function sourceMapFile(bundlePath: string): string {
  return `${bundlePath}.map`;
}

/** The text of an error or a stack, with the app's files and lines; as it was where the map does not help. */
export function withSourcePlaces(text: string, bundle: AppBundle): string {
  const address = pathToFileURL(bundle.path).href;
  if (!text.includes(address)) return text;
  const map = readMap(bundle.path);
  if (map === undefined) return text;
  const folder = path.dirname(bundle.path);
  return text
    .split(address)
    .map((part, index) => {
      const place = index === 0 ? null : /^:(\d+):(\d+)/.exec(part);
      if (place === null) return index === 0 ? part : address + part;
      const entry = map.findEntry(Number(place[1]) - 1, Number(place[2]) - 1);
      if (!('originalSource' in entry)) return address + part;
      const file = originalFile(entry.originalSource, folder);
      const line = String(entry.originalLine + 1);
      const column = String(entry.originalColumn + 1);
      return `${file}:${line}:${column}${part.slice(place[0].length)}`;
    })
    .join('');
}

function readMap(bundlePath: string): SourceMap | undefined {
  try {
    return new SourceMap(JSON.parse(readFileSync(sourceMapFile(bundlePath), 'utf8')) as SourceMapPayload);
  } catch {
    return undefined;
  }
}

function originalFile(source: string, folder: string): string {
  return source.startsWith('file:') ? fileURLToPath(source) : path.resolve(folder, source);
}
