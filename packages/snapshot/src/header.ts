// The first frame of a snapshot: what it is of, so that a reader can refuse it before touching any state.
import { SnapshotError } from './error.ts';
import { decodeJson, frameType, type Frame } from './frame.ts';

/** 2: a task's beginning may hold a rolling hash of its outputs. */
export const formatVersion = 2;

export interface SnapshotHeader {
  /** Version of the format; readers accept the current one and the one before. */
  readonly format: number;
  readonly pair: string;
  readonly app: string;
  readonly appVersion: number;
  readonly topologyHash: string;
  /** Epoch in which it was taken; null before the first claim. */
  readonly epoch: number | null;
  readonly takenAt_ms: number;
}

/** What the reader has: a snapshot must be of the same. */
export type ExpectedSnapshot = Pick<SnapshotHeader, 'pair' | 'app' | 'appVersion' | 'topologyHash'>;

export type HeaderCheck =
  | { readonly outcome: 'ok' }
  | { readonly outcome: 'newer-format'; readonly reason: string }
  | { readonly outcome: 'older-format'; readonly reason: string }
  | { readonly outcome: 'other-pair'; readonly reason: string }
  | { readonly outcome: 'other-app'; readonly reason: string }
  | { readonly outcome: 'other-version'; readonly reason: string }
  | { readonly outcome: 'other-topology'; readonly reason: string };

/** @throws SnapshotError `snapshot-corrupt` when the frame is no header, `snapshot-newer-format` when it cannot be read. */
export function readHeader(frame: Frame): SnapshotHeader {
  if (frame.type !== frameType.header) throw corrupt('it does not begin with a header');
  let value: unknown;
  try {
    value = decodeJson(frame.payload);
  } catch {
    throw corrupt('its header is not JSON');
  }
  if (typeof value !== 'object' || value === null) throw corrupt('its header is not an object');
  const fields = value as Partial<Record<keyof SnapshotHeader, unknown>>;
  if (typeof fields.format !== 'number') throw corrupt('its header names no format');
  // A newer format may have other fields: say that first.
  if (fields.format > formatVersion) {
    throw new SnapshotError('snapshot-newer-format', newerFormat(fields.format));
  }
  if (
    typeof fields.pair !== 'string' ||
    typeof fields.app !== 'string' ||
    typeof fields.appVersion !== 'number' ||
    typeof fields.topologyHash !== 'string' ||
    (typeof fields.epoch !== 'number' && fields.epoch !== null) ||
    typeof fields.takenAt_ms !== 'number'
  ) {
    throw corrupt('its header lacks a field');
  }
  return {
    format: fields.format,
    pair: fields.pair,
    app: fields.app,
    appVersion: fields.appVersion,
    topologyHash: fields.topologyHash,
    epoch: fields.epoch,
    takenAt_ms: fields.takenAt_ms,
  };
}

/** Whether a snapshot may be restored here; every refusal says why in one line. */
export function checkHeader(header: SnapshotHeader, expected: ExpectedSnapshot): HeaderCheck {
  if (header.format > formatVersion) return { outcome: 'newer-format', reason: newerFormat(header.format) };
  if (header.format < Math.max(1, formatVersion - 1)) {
    return { outcome: 'older-format', reason: `snapshot has format ${String(header.format)}, which is no longer read` };
  }
  if (header.pair !== expected.pair) {
    return { outcome: 'other-pair', reason: `snapshot is of pair '${header.pair}', not '${expected.pair}'` };
  }
  if (header.app !== expected.app) {
    return { outcome: 'other-app', reason: `snapshot is of app '${header.app}', not '${expected.app}'` };
  }
  if (header.appVersion !== expected.appVersion) {
    return {
      outcome: 'other-version',
      reason: `snapshot is of ${header.app} version ${String(header.appVersion)}, this is version ${String(expected.appVersion)}`,
    };
  }
  if (header.topologyHash !== expected.topologyHash) {
    return {
      outcome: 'other-topology',
      reason: `snapshot was made by topology ${header.topologyHash}, this is ${expected.topologyHash}: give the app a new version`,
    };
  }
  return { outcome: 'ok' };
}

function newerFormat(format: number): string {
  return `snapshot has format ${String(format)}, this program reads up to ${String(formatVersion)}: update it`;
}

function corrupt(what: string): SnapshotError {
  return new SnapshotError('snapshot-corrupt', `snapshot is damaged: ${what}`);
}
