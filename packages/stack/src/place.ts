// Where the stack keeps things.
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const checkout = fileURLToPath(new URL('../../..', import.meta.url));

/** Jars, compiled programs and the shared test servers: of the checkout. */
export const stackFolder = path.join(checkout, '.tandem', 'stack');
/** Of what `up` starts. */
export const upFolder = path.resolve(process.env['TANDEM_STACK_DIR'] ?? stackFolder);
export const composeFile = path.join(checkout, 'docker', 'compose.yaml');
export const pomFolder = fileURLToPath(new URL('../jars', import.meta.url));
