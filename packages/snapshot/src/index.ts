export * from './crc32.ts';
export * from './entries.ts';
export * from './error.ts';
export * from './frame-reader.ts';
export * from './frame-writer.ts';
export * from './frame.ts';
export * from './header.ts';
export * from './join.ts';
