// What brokers and connections answer instead of a result, told apart: refused by name, or lost on the way.
import { types } from 'node:util';
import { TandemError, toError } from '@tandem/ports';
import { AuthenticationError, protocolErrors, protocolErrorsCodesById } from '@platformatic/kafka';

/** A broker refused a request: it has surely not been carried out, unless the name itself says that this is unknown. */
export class BrokerError extends Error {
  override readonly name = 'BrokerError';
  /** Kafka's own name for it, like `NOT_LEADER_OR_FOLLOWER`. */
  readonly error: string;
  /** Where an answer held more than the error. */
  readonly response: unknown;
  constructor(request: string, error: string, detail?: string | null, response?: unknown) {
    super(`${request}: ${error}${explain(error, detail)}`);
    this.error = error;
    this.response = response;
  }
}

/** No answer: the connection could not be made, broke, or was given up. What became of the request is not known. */
export class ConnectionLost extends Error {
  override readonly name = 'ConnectionLost';
  /** It was never sent. */
  readonly unsent: boolean;
  constructor(message: string, options: { readonly cause?: unknown; readonly unsent?: boolean } = {}) {
    super(message, { cause: options.cause });
    this.unsent = options.unsent ?? false;
  }
}

/** A clear sentence where the broker gave one, else Kafka's own. */
function explain(error: string, detail: string | null | undefined): string {
  const known = (protocolErrors as Readonly<Record<string, { readonly message: string } | undefined>>)[error];
  const text = detail ?? known?.message ?? '';
  return text === '' ? '' : ` (${text.replace(/\.$/, '')})`;
}

/** Kafka's name for an error code. */
export function errorName(code: number): string {
  const names: Readonly<Record<string, string | undefined>> = protocolErrorsCodesById;
  return names[String(code)] ?? `error ${String(code)}`;
}

/** What the client library throws, as one of the two above. */
export function asKafkaError(request: string, broker: string, thrown: unknown): BrokerError | ConnectionLost {
  if (thrown instanceof BrokerError || thrown instanceof ConnectionLost) return thrown;
  const found = protocolErrorIn(thrown, 0);
  if (found !== undefined) {
    return new BrokerError(request, found.apiId, found.serverErrorMessage, (thrown as { response?: unknown }).response);
  }
  return new ConnectionLost(`${request} to ${broker}: ${reasonOf(thrown)}`, { cause: thrown });
}

interface LibraryProtocolError {
  readonly apiId: string;
  readonly serverErrorMessage?: string | null;
}

function protocolErrorIn(thrown: unknown, depth: number): LibraryProtocolError | undefined {
  if (typeof thrown !== 'object' || thrown === null || depth > 4) return undefined;
  if ('apiId' in thrown && typeof thrown.apiId === 'string') return thrown as LibraryProtocolError;
  const inner = 'errors' in thrown && Array.isArray(thrown.errors) ? (thrown.errors as unknown[]) : [];
  const found = inner.flatMap((error) => protocolErrorIn(error, depth + 1) ?? []);
  // One of several says why; the others only that they were not looked at for it.
  const telling = found.find(({ apiId }) => apiId !== 'OPERATION_NOT_ATTEMPTED') ?? found[0];
  return telling ?? ('cause' in thrown ? protocolErrorIn(thrown.cause, depth + 1) : undefined);
}

/** What was thrown, and what lies behind it. */
function causesOf(thrown: unknown): readonly Error[] {
  const causes: Error[] = [];
  // Those of Node.js itself are not `instanceof` the Error of whoever runs this in a context of its own.
  for (let error = thrown; types.isNativeError(error) && causes.length < 6; error = error.cause) causes.push(error);
  return causes;
}

/** The innermost message says most: `connect ECONNREFUSED 127.0.0.1:9092`. */
export function reasonOf(thrown: unknown): string {
  let error = causesOf(thrown).at(-1) ?? toError(thrown);
  if (error instanceof AggregateError && error.errors.length > 0) error = toError(error.errors[0]);
  return error.message === '' ? error.name : error.message;
}

/** `wasSilent`: not encrypted, and cut before the broker had said a word, as a listener for TLS does. */
export function connectFailed(
  broker: string,
  thrown: unknown,
  { wasSilent }: { readonly wasSilent: boolean },
): ConnectionLost {
  const text = `${broker}: ${reasonOf(thrown)}`;
  if (!wasSilent || isAuthenticationError(thrown)) return new ConnectionLost(text, { cause: thrown, unsent: true });
  return new ConnectionLost(`${text}: it may expect an encrypted connection (kafka.tls)`, { unsent: true });
}

/** @throws TandemError: what a person should know when Kafka could not be used at all. */
export function unreachable(brokers: readonly string[], thrown: unknown): TandemError {
  if (thrown instanceof TandemError) return thrown;
  const where = brokers.join(', ');
  if (isAuthenticationError(thrown)) {
    return new TandemError(
      'kafka-authentication',
      `Kafka at ${where} refuses the login: ${reasonOf(thrown)}. Correct kafka.sasl`,
      { blame: 'user', cause: thrown },
    );
  }
  if (isCertificateError(thrown)) {
    return new TandemError(
      'kafka-tls',
      `Kafka at ${where} has a certificate that is not trusted: ${reasonOf(thrown)}. Correct kafka.tls (ca: who signed it, serverName: whom it is for), or the certificate`,
      { blame: 'user', cause: thrown },
    );
  }
  return new TandemError('kafka-unreachable', `Kafka cannot be reached: ${where} (${reasonOf(thrown)})`, {
    cause: thrown,
  });
}

/** As Node.js names what is wrong with a certificate. */
const certificateErrors =
  /SELF_SIGNED_CERT|UNABLE_TO_(VERIFY|GET_ISSUER)|CERT_(HAS_EXPIRED|NOT_YET_VALID|UNTRUSTED|REVOKED|REJECTED|SIGNATURE_FAILURE|CHAIN_TOO_LONG)|INVALID_(CA|PURPOSE)|ERR_TLS_CERT_ALTNAME_INVALID/;

function isCertificateError(thrown: unknown): boolean {
  return causesOf(thrown).some((error) => certificateErrors.test(String((error as NodeJS.ErrnoException).code)));
}

function isAuthenticationError(thrown: unknown): boolean {
  // The other is kafkajs's.
  return causesOf(thrown).some(
    (error) => error instanceof AuthenticationError || error.name === 'KafkaJSSASLAuthenticationError',
  );
}

const staleLeader = new Set([
  'NOT_LEADER_OR_FOLLOWER',
  'UNKNOWN_TOPIC_OR_PARTITION',
  'UNKNOWN_TOPIC_ID',
  'INCONSISTENT_TOPIC_ID',
  'FENCED_LEADER_EPOCH',
  'UNKNOWN_LEADER_EPOCH',
  'LEADER_NOT_AVAILABLE',
  'REPLICA_NOT_AVAILABLE',
  'KAFKA_STORAGE_ERROR',
]);

/** The partition is led by somebody else than was thought: metadata must be asked for again. */
export function isStaleLeader(error: string): boolean {
  return staleLeader.has(error);
}

const staleCoordinator = new Set(['NOT_COORDINATOR', 'COORDINATOR_NOT_AVAILABLE']);

/** The coordinator must be looked for again. */
export function isStaleCoordinator(error: string): boolean {
  return staleCoordinator.has(error);
}

const passing = new Set([
  'CONCURRENT_TRANSACTIONS',
  'COORDINATOR_LOAD_IN_PROGRESS',
  'REQUEST_TIMED_OUT',
  'NETWORK_EXCEPTION',
  'NOT_ENOUGH_REPLICAS',
  'NOT_ENOUGH_REPLICAS_AFTER_APPEND',
  'OFFSET_NOT_AVAILABLE',
  'BROKER_NOT_AVAILABLE',
  'THROTTLING_QUOTA_EXCEEDED',
]);

/** Worth asking again after a moment, of whoever leads or coordinates then. */
export function isPassing(error: string): boolean {
  return passing.has(error) || isStaleLeader(error) || isStaleCoordinator(error);
}

const fencing = new Set(['INVALID_PRODUCER_EPOCH', 'PRODUCER_FENCED', 'TRANSACTION_COORDINATOR_FENCED']);

/** Somebody else has opened, or the brokers ended the transaction by themselves. */
export function isFencing(error: string): boolean {
  return fencing.has(error);
}
