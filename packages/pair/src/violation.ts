// What is thrown when something happens that the protocol says cannot: stop rather than publish something wrong.

export class ProtocolViolation extends Error {
  override readonly name = 'ProtocolViolation';
}
