// The part of node-zookeeper-client 1.1.3 that is used here, and the insides of it that have to be guarded.
declare module 'node-zookeeper-client' {
  import type { EventEmitter } from 'node:events';
  import type { Socket } from 'node:net';

  export interface Stat {
    readonly version: number;
    /** The session that owns an ephemeral node; all zero otherwise. */
    readonly ephemeralOwner: Buffer;
  }

  export interface Id {
    readonly scheme: string;
    readonly id: string;
  }
  export const Id: new (scheme: string, id: string) => Id;

  export interface ACL {
    readonly permission: number;
    readonly id: Id;
  }
  export const ACL: {
    new (permission: number, id: Id): ACL;
    readonly OPEN_ACL_UNSAFE: ACL[];
    readonly CREATOR_ALL_ACL: ACL[];
  };

  export const Permission: { readonly READ: number; readonly CREATE: number; readonly ALL: number };
  export const CreateMode: { readonly PERSISTENT: number; readonly EPHEMERAL: number };
  export const State: { readonly SYNC_CONNECTED: object; readonly EXPIRED: object; readonly AUTH_FAILED: object };

  export class Exception extends Error {
    static readonly NO_NODE: number;
    static readonly NO_AUTH: number;
    static readonly BAD_VERSION: number;
    static readonly NODE_EXISTS: number;
    static readonly INVALID_ACL: number;
    readonly code: number;
  }

  type Answer<Values extends unknown[]> = (error: Exception | Error | null | undefined, ...values: Values) => void;

  /** A version of 0 given to any of these is taken for "whatever it is". */
  export interface Transaction {
    create(path: string, data: Buffer, acls: readonly ACL[], mode: number): this;
    setData(path: string, data: Buffer, version: number): this;
    check(path: string, version: number): this;
    remove(path: string, version: number): this;
    commit(answer: Answer<[]>): void;
  }

  export interface ConnectionManager {
    /** There once the client has begun to connect. */
    readonly socket?: Socket;
    readonly connectTimeoutHandler?: NodeJS.Timeout | null;
    onSocketData(bytes: Buffer): void;
    onSocketConnectTimeout(): void;
    onSocketError(error: Error): void;
    onSocketClosed(): void;
  }

  export interface Client extends EventEmitter {
    readonly connectionManager: ConnectionManager;
    connect(): void;
    /** Ends the session. */
    close(): void;
    addAuthInfo(scheme: string, auth: Buffer): void;
    getSessionId(): Buffer;
    getSessionPassword(): Buffer;
    getSessionTimeout(): number;
    create(path: string, data: Buffer, acls: readonly ACL[], mode: number, answer: Answer<[string]>): void;
    remove(path: string, version: number, answer: Answer<[]>): void;
    setData(path: string, data: Buffer, version: number, answer: Answer<[Stat]>): void;
    getData(path: string, watcher: (() => void) | undefined, answer: Answer<[Buffer | undefined, Stat]>): void;
    getChildren(path: string, watcher: (() => void) | undefined, answer: Answer<[string[]]>): void;
    transaction(): Transaction;
    on(event: 'state', listener: (state: object) => void): this;
  }

  export interface ClientOptions {
    readonly sessionTimeout: number;
    readonly spinDelay: number;
    readonly retries: number;
    readonly sessionId?: Buffer;
    readonly sessionPassword?: Buffer;
  }

  export function createClient(connectionString: string, options: ClientOptions): Client;
}
