// Turns places in an app's bundle into those of the app's own files. The source map is read only when something went
// wrong: a worker that had it loaded all the time (--enable-source-maps) held tens of megabytes for it, which the
// kernel has to free before the sockets of a killed node close. Reading takes hundreds of milliseconds for a large app,
// which the node's own thread does not have: the worker does it, as the last thing.
import { readFileSync } from 'node:fs';
import { SourceMap, type SourceMapPayload } from 'node:module';
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

/** Where a bundle's source map is. */
export function sourceMapFile(bundlePath: string): string {
  return `${bundlePath}.map`;
}

/** The text of an error or a stack, with the app's files and lines; as it was where the map does not help. */
export function withSourcePlaces(text: string, bundlePath: string): string {
  const address = pathToFileURL(bundlePath).href;
  if (!text.includes(address)) return text;
  const map = readMap(bundlePath);
  if (map === undefined) return text;
  const folder = path.dirname(bundlePath);
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

/** The message and the first place of the stack that is the app's own, or a package's, in one line. */
export function placeOf(error: Pick<Error, 'message' | 'stack'>, bundlePath: string): string {
  const frames = withSourcePlaces(error.stack ?? '', bundlePath)
    .split('\n')
    .filter((line) => line.trimStart().startsWith('at '));
  const places = frames
    .map((line) => /\(?((?:file:\/\/)?[^\s()]+:\d+:\d+)\)?$/.exec(line)?.[1] ?? 'node:')
    .filter((found) => !/(packages|@tandem)\/(lane|streams)\/|node:|lane\.mjs/.test(found));
  const place = places.find((found) => !found.includes('/node_modules/')) ?? places[0];
  const message = error.message.split('\n', 1).join('');
  return place === undefined ? message : `${message} (${place.replace(/^file:\/\//, '')})`;
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
