export { idempotencyKey, type OutputId } from './headers.ts';
