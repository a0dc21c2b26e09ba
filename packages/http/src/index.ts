export { httpSinkSchema, httpSystemSchema, originOf, type HttpSinkBinding, type HttpSystem } from './configuration.ts';
export { idempotencyKey, type OutputId } from './headers.ts';
export { createHttpPublisher, publisherName, type HttpPublisherOptions } from './publisher.ts';
