/**
 * UsedHeads: which signed heads have had room.
 *
 * Owns the memory of them, of a fixed size. Promises that a head which was recorded on its way and is sent again takes
 * no second room in its device's name. Forgets some of the oldest where more come within the window than it has places
 * for: then the share of the device bounds what they take.
 */

/** Half a megabyte; a gateway that takes two hundred batches a second fills it in a window of five minutes. */
const PLACES = 2 ** 16;

export interface UsedHeads {
  has(requestSignature: string): boolean;
  add(requestSignature: string): void;
}

export function createUsedHeads(): UsedHeads {
  // Signatures are spread evenly, and nobody without the key can choose one: 16 bits of it are its place, 48 its mark.
  const marks = new Float64Array(PLACES);
  const placeOf = (signature: string) => Number.parseInt(signature.slice(0, 4), 16);
  const markOf = (signature: string) => 1 + Number.parseInt(signature.slice(4, 16), 16);
  return {
    has: (signature) => marks[placeOf(signature)] === markOf(signature),
    add(signature) {
      marks[placeOf(signature)] = markOf(signature);
    },
  };
}
