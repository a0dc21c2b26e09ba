// How a broker is named in the configuration: host:port.

export interface Address {
  readonly host: string;
  readonly port: number;
}

export const brokerPattern = /^(\[[0-9a-fA-F:.]+\]|[^:/\s[\]]+):([1-9]\d{0,4})$/;

/** `kafka1:9092` or `[::1]:9092`. */
export function parseBroker(text: string): Address {
  const match = brokerPattern.exec(text);
  if (match === null) throw new RangeError(`'${text}' is no broker`);
  return { host: (match[1] ?? '').replace(/^\[|\]$/g, ''), port: Number(match[2]) };
}
