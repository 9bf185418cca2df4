/** Secret: what both halves of the pair know. */

export const SECRET = Buffer.alloc(32, 7);
export const SIGNATURE_HEADER = 'x-signature';
