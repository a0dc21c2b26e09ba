// Events and effects as one line of text each.
import type { PairEffect, View } from '@tandem/pair';
import type { ToyEvent } from './process.ts';

export function eventText(event: ToyEvent): string {
  return textOf(event);
}

export function effectText(effect: PairEffect): string {
  if (effect.type === 'role-changed') return `${effect.to} (${effect.why})`;
  return textOf(effect);
}

function textOf(message: object): string {
  const fields = Object.entries(message).flatMap(([name, value]: [string, unknown]) => {
    if (value === undefined) return [];
    const isBare = name === 'type' || name === 'app';
    return isBare && typeof value === 'string' ? [value] : [fieldText(name, value)];
  });
  return fields.join(' ');
}

function fieldText(name: string, value: unknown): string {
  if (Array.isArray(value)) return `${name}=${(value as readonly string[]).join()}`;
  if (typeof value !== 'object' || value === null) {
    const text = typeof value === 'string' ? value : JSON.stringify(value);
    return name === 'why' || name === 'reason' || name === 'detail' ? `(${text})` : `${name}=${text}`;
  }
  if ('members' in value) {
    const { epoch, active } = value as View;
    return `epoch=${String(epoch ?? 'none')} active=${active?.incarnation ?? 'none'}`;
  }
  if ('incarnation' in value) return fieldText(name, value.incarnation);
  if ('kind' in value) return 'peer' in value ? fieldText(name, value.peer) : `${name}=store`;
  return `${name}=${JSON.stringify(value)}`;
}
