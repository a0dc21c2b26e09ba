// Where a pair's znodes are, and who may do what to them.
import type { AppName, NodeId } from '@tandem/pair';
import { ACL, Id, Permission } from 'node-zookeeper-client';

export class Znodes {
  readonly epoch: string;
  readonly active: string;
  readonly members: string;
  readonly apps: string;
  /** What must be there before them, from the top down; others may have folders of their own beside these. */
  readonly shared: readonly string[];
  readonly pair: string;

  constructor(chroot: string, pair: string) {
    const root = `${chroot}/tandem`;
    this.shared = root
      .split('/')
      .flatMap((_, index, parts) => (index === 0 ? [] : parts.slice(0, index + 1).join('/')));
    this.pair = `${root}/${pair}`;
    this.epoch = `${this.pair}/epoch`;
    this.active = `${this.pair}/active`;
    this.members = `${this.pair}/members`;
    this.apps = `${this.pair}/apps`;
  }

  member(node: NodeId): string {
    return `${this.members}/${node}`;
  }

  app(app: AppName): string {
    return `${this.apps}/${nodeName(app)}`;
  }
}

/** Of whatever a user may have typed: no slash, and neither nothing nor dots alone. */
function nodeName(name: string): string {
  return encodeURIComponent(name).replace(/^\.*$/, (dots) => `%${'2E'.repeat(dots.length)}`);
}

export interface Access {
  readonly own: readonly ACL[];
  /** Of the folders above a pair's: other users may have theirs there too. */
  readonly shared: readonly ACL[];
}

export function accessFor(hasUser: boolean): Access {
  if (!hasUser) return { own: ACL.OPEN_ACL_UNSAFE, shared: ACL.OPEN_ACL_UNSAFE };
  const anyone = new ACL(Permission.READ | Permission.CREATE, new Id('world', 'anyone'));
  return { own: ACL.CREATOR_ALL_ACL, shared: [...ACL.CREATOR_ALL_ACL, anyone] };
}
