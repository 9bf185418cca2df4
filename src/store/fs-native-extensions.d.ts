/** The part of `fs-native-extensions` that this folder uses; the package ships no types. */
declare module 'fs-native-extensions' {
  /** Locks bytes of an open file for that very opening of it; false where another has them locked. */
  export function tryLock(fd: number, offset: number, length: number): boolean;
}
