// Where the stack keeps things: all below .tandem/stack of the checkout.
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const checkout = fileURLToPath(new URL('../../..', import.meta.url));

export const stackFolder = path.join(checkout, '.tandem', 'stack');
export const composeFile = path.join(checkout, 'docker', 'compose.yaml');
export const pomFolder = fileURLToPath(new URL('../jars', import.meta.url));
