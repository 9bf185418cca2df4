/**
 * RejectsPlace: from where on a file of rejects holds what a run has written since its last mark.
 *
 * Promises that rows of another input are never taken for rows of this one, however alike they are: an input that has
 * no mark for this file notes where it begins to write, before it does.
 */
import type { Mark } from '../recorder.ts';
import type { RejectsBefore } from './rejects.ts';

export class RejectsPlace {
  readonly #name: string;
  readonly #run: string;
  #isOpening = false;
  #isNoted = false;
  /** By which the file is known. */
  file: string | undefined;
  /** By the last mark of the input. */
  marked: (RejectsBefore & { readonly file: string | undefined }) | undefined;

  /** @param name of the mark */
  constructor(name: string, run: string) {
    this.#name = name;
    this.#run = run;
  }

  /** Undefined where all that the file holds is somebody else's. */
  async before(
    file: string,
    stored: (name: string) => Promise<Uint8Array | undefined>,
  ): Promise<RejectsBefore | undefined> {
    this.file = file;
    const { marked } = this;
    // Marks of earlier versions do not say which file it was.
    if (marked && (marked.file === file || (marked.file === undefined && marked.bytes > 0))) return marked;
    this.#isOpening = true;
    const value = await stored(this.#name);
    const opening = value?.length ? JSON.parse(Buffer.from(value).toString()) : undefined;
    return opening?.file === file ? { bytes: opening.bytes, heading: undefined } : undefined;
  }

  /** To store before the first row is written. */
  opening(bytes: number): readonly Mark[] {
    if (!this.#isOpening || this.#isNoted) return [];
    this.#isNoted = true;
    return [{ name: this.#name, value: Buffer.from(JSON.stringify({ file: this.file, bytes, run: this.#run })) }];
  }

  /** To store with the input's mark, which says from now on what the opening said. */
  opened(): readonly Mark[] {
    if (!this.#isOpening) return [];
    this.#isOpening = false;
    return [{ name: this.#name, value: Buffer.alloc(0) }];
  }
}
